//! Running the program.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a run printed.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A folder of its own for one test.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        std::fs::write(self.path(name), content).unwrap();
        self
    }
    /// Runs `coincide` in the folder; arguments separated by spaces.
    pub fn run(&self, arguments: &str) -> Ran {
        self.run_with(&arguments.split(' ').collect::<Vec<_>>(), b"", "80")
    }
    pub fn run_with(&self, arguments: &[&str], input: &[u8], columns: &str) -> Ran {
        run_in(self.0.path(), arguments, input, columns)
    }
    /// Runs and reads the results document.
    pub fn results(&self, arguments: &str) -> serde_json::Value {
        let ran = self.run(&format!("{arguments} --replicates 200 --json -"));
        assert_eq!(ran.code, 0, "{}", ran.err);
        serde_json::from_str(&ran.out).unwrap()
    }
    /// Runs something that must fail with exit code 2 and nothing on standard output; returns the message.
    pub fn fails(&self, arguments: &str) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 2, "{arguments}: {}{}", ran.out, ran.err);
        assert!(ran.out.is_empty(), "{}", ran.out);
        ran.err
    }
}

/// The built program.
pub fn program() -> &'static str {
    env!("CARGO_BIN_EXE_coincide")
}

pub fn run_in(folder: &Path, arguments: &[&str], input: &[u8], columns: &str) -> Ran {
    let mut child = Command::new(program())
        .args(arguments)
        .current_dir(folder)
        .env("COLUMNS", columns)
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The program may stop before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    Ran { code: output.status.code().unwrap_or(-1), out: String::from_utf8(output.stdout).unwrap(), err: String::from_utf8(output.stderr).unwrap() }
}

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Asserts that a message has every part, wherever its lines break.
pub fn says(message: &str, parts: &[&str]) {
    let flowing = message.split_whitespace().collect::<Vec<_>>().join(" ");
    for p in parts {
        assert!(message.contains(p) || flowing.contains(p), "`{p}` is not in:\n{message}");
    }
}

/// β of a results document.
pub fn beta(v: &serde_json::Value) -> f64 {
    v["analysis"]["joint"]["content"]["beta"]["value"].as_f64().unwrap()
}
