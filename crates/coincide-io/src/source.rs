//! Inputs: paths, globs and standard input; what a file is, by its content; its SHA-256.

use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One input as it was read, for the results document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InputRecord {
    /// The path as it was given; `-` for standard input.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the content, in hexadecimal.
    pub sha256: String,
}

impl InputRecord {
    /// The record of a file whose bytes were read whole.
    pub(crate) fn of(name: &str, bytes: &[u8]) -> Self {
        let sha256 = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        InputRecord { path: name.to_owned(), bytes: bytes.len() as u64, sha256 }
    }
}

/// What a file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Delimited text.
    Delimited(u8),
    /// One JSON object a line.
    JsonLines,
    Parquet,
    /// Arrow IPC file.
    ArrowFile,
    /// Arrow IPC stream.
    ArrowStream,
    /// One JSON list, as some tools write their logs.
    JsonArray,
    /// An archive, as Inspect writes its logs.
    Zip,
    /// A database, as PyRIT's memory.
    Sqlite,
    /// No file: a table in memory.
    Memory,
}

/// How the bytes on disk are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// One file to read. Standard input, and packed columnar files, are spooled to a temporary file.
#[derive(Debug)]
pub(crate) struct Source {
    /// As it was given.
    pub name: String,
    pub format: Format,
    packing: Packing,
    path: PathBuf,
    /// The path whose bytes are hashed.
    original: PathBuf,
    _spool: Vec<tempfile::TempPath>,
}

/// Expands globs; a pattern that matches nothing is an error.
pub(crate) fn expand(inputs: &[String]) -> Result<Vec<String>> {
    let mut list = Vec::new();
    for input in inputs {
        if input == "-" || Path::new(input).exists() || !input.contains(['*', '?', '[']) {
            list.push(input.clone());
            continue;
        }
        let matches = glob::glob(input)
            .map_err(|e| Error::options(format!("`{input}` is not a pattern: {e}"), "quote a file name that has *, ? or [ in it"))?;
        let mut found: Vec<String> = matches.filter_map(|p| p.ok()).map(|p| p.to_string_lossy().into_owned()).collect();
        if found.is_empty() {
            return Err(Error::options(format!("no file matches `{input}`"), "check the path; the pattern is relative to the current folder"));
        }
        found.sort();
        list.append(&mut found);
    }
    if list.is_empty() {
        return Err(Error::options("no input", "give one or more files, a pattern, or - for standard input"));
    }
    Ok(list)
}

/// Opens everything that the inputs name.
pub(crate) fn open_all(inputs: &[String]) -> Result<Vec<Arc<Source>>> {
    expand(inputs)?.iter().map(|n| Ok(Arc::new(Source::open(n)?))).collect()
}

impl Source {
    /// What stands for a table that was never a file.
    pub(crate) fn memory(name: &str) -> Source {
        Source {
            name: name.to_owned(),
            format: Format::Memory,
            packing: Packing::Plain,
            path: PathBuf::new(),
            original: PathBuf::new(),
            _spool: Vec::new(),
        }
    }

    pub(crate) fn open(name: &str) -> Result<Source> {
        let mut spools = Vec::new();
        let original = if name == "-" {
            let spool = spool(name, &mut std::io::stdin().lock())?;
            let path = spool.to_path_buf();
            spools.push(spool);
            path
        } else {
            let path = PathBuf::from(name);
            let meta = std::fs::metadata(&path).map_err(Error::io(name))?;
            if meta.is_dir() {
                return Err(Error::file(name, "is a folder, not a file").hinted(format!("name the files in it, for example '{name}/*.csv'")));
            }
            path
        };
        let head = head(&mut File::open(&original).map_err(Error::io(name))?).map_err(Error::io(name))?;
        let packing = match head.as_slice() {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
            _ => Packing::Plain,
        };
        let mut source = Source { name: name.to_owned(), format: Format::JsonLines, packing, path: original.clone(), original, _spool: Vec::new() };
        let inner = head_of(&mut source.reader()?).map_err(|e| source.broken(&e))?;
        source.format = sniff(name, &inner)?;
        // Formats that are read from more than one place.
        let jumps = matches!(source.format, Format::Parquet | Format::ArrowFile | Format::ArrowStream | Format::Zip | Format::Sqlite);
        if jumps && packing != Packing::Plain {
            let spool = spool(name, &mut source.reader()?)?;
            source.path = spool.to_path_buf();
            source.packing = Packing::Plain;
            spools.push(spool);
        }
        source._spool = spools;
        Ok(source)
    }

    /// The unpacked bytes.
    pub(crate) fn reader(&self) -> Result<Box<dyn Read + Send>> {
        let file = BufReader::with_capacity(1 << 20, File::open(&self.path).map_err(Error::io(&self.name))?);
        Ok(match self.packing {
            Packing::Plain => Box::new(file),
            Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
            Packing::Zstd => Box::new(zstd::Decoder::with_buffer(file).map_err(Error::io(&self.name))?),
        })
    }

    /// Its first unpacked bytes, up to `most`.
    pub(crate) fn head(&self, most: u64) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.reader()?.take(most).read_to_end(&mut out).map_err(|e| self.broken(&e))?;
        Ok(out)
    }

    /// Where the plain file lies, for what opens it by itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The plain file, for formats that are read from more than one place.
    pub(crate) fn file(&self) -> Result<File> {
        File::open(&self.path).map_err(Error::io(&self.name))
    }

    /// An error of unpacking or reading, in words.
    pub(crate) fn broken(&self, e: &std::io::Error) -> Error {
        let what = match self.packing {
            Packing::Plain => format!("cannot be read: {e}"),
            Packing::Gzip => format!("the gzip data is damaged or cut short: {e}"),
            Packing::Zstd => format!("the zstd data is damaged or cut short: {e}"),
        };
        Error::file(&self.name, what).hinted("fetch or write the file again")
    }

    /// Path, size and SHA-256 of the bytes as they are on disk.
    pub(crate) fn record(&self) -> Result<InputRecord> {
        let mut file = File::open(&self.original).map_err(Error::io(&self.name))?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0u8; 1 << 20];
        let mut bytes = 0;
        loop {
            let n = file.read(&mut buffer).map_err(Error::io(&self.name))?;
            if n == 0 {
                break;
            }
            hash.update(&buffer[..n]);
            bytes += n as u64;
        }
        let sha256 = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        Ok(InputRecord { path: self.name.clone(), bytes, sha256 })
    }
}

/// A file's name without folder and endings.
pub(crate) fn file_stem(name: &str) -> String {
    let file = Path::new(name).file_name().map_or_else(|| name.to_owned(), |f| f.to_string_lossy().into_owned());
    let mut stem = file.as_str();
    for ending in [".gz", ".zst", ".csv", ".tsv", ".jsonl", ".parquet", ".arrow", ".feather", ".ipc", ".report", ".json", ".eval", ".db"] {
        stem = stem.strip_suffix(ending).unwrap_or(stem);
    }
    stem.to_owned()
}

fn spool(name: &str, from: &mut dyn Read) -> Result<tempfile::TempPath> {
    let mut file = tempfile::NamedTempFile::new().map_err(Error::io(name))?;
    std::io::copy(from, &mut file).map_err(Error::io(name))?;
    file.flush().map_err(Error::io(name))?;
    Ok(file.into_temp_path())
}

fn head(file: &mut File) -> std::io::Result<Vec<u8>> {
    let out = head_of(file)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(out)
}

fn head_of(from: &mut dyn Read) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    from.take(65536).read_to_end(&mut out)?;
    Ok(out)
}

/// What the first bytes say the file is.
fn sniff(name: &str, head: &[u8]) -> Result<Format> {
    if head.starts_with(b"PAR1") {
        return Ok(Format::Parquet);
    }
    if head.starts_with(b"ARROW1") {
        return Ok(Format::ArrowFile);
    }
    if head.starts_with(&[0xff, 0xff, 0xff, 0xff]) {
        return Ok(Format::ArrowStream);
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Ok(Format::Zip);
    }
    if head.starts_with(b"SQLite format 3\0") {
        return Ok(Format::Sqlite);
    }
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return Err(Error::file(name, "is UTF-16 text; expected UTF-8").hinted("save it as UTF-8"));
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let Some(&first) = text.iter().find(|b| !b.is_ascii_whitespace()) else {
        return Err(Error::file(name, "is empty").hinted("a table of outcomes needs a header line and at least one trial"));
    };
    if first == b'{' {
        return Ok(Format::JsonLines);
    }
    if first == b'[' {
        return Ok(Format::JsonArray);
    }
    if text.contains(&0) {
        return Err(Error::file(name, "is neither text, Parquet nor Arrow")
            .hinted("give CSV, TSV, JSON lines, Parquet or Arrow IPC, plain or packed with gzip or zstd"));
    }
    let line = text.split(|&b| b == b'\n').find(|l| !l.iter().all(u8::is_ascii_whitespace)).unwrap_or(text);
    let many = |c: u8| line.iter().filter(|&&b| b == c).count();
    if many(b'\t') > many(b',') {
        return Ok(Format::Delimited(b'\t'));
    }
    if many(b',') == 0 && many(b';') > 0 {
        return Err(Error::file(name, "seems to be separated by semicolons; expected commas or tabs").hinted("save it with commas"));
    }
    Ok(Format::Delimited(b','))
}
