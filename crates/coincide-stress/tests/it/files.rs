//! Campaign files and prompts that are wrong: place, reason, remedy.

use crate::support::{Folder, attacks};
use coincide_stress::Prepared;

const RULES: &str = "\n[[layers]]\nname = \"r\"\nkind = \"rules\"\npatterns = [\"x\"]\n";

#[test]
fn bad_campaigns_name_file_line_and_remedy() {
    let f = Folder::new(&attacks(2), RULES);
    std::fs::write(f.path("twice.csv"), "id,prompt\na,x\na,y\n").unwrap();
    std::fs::write(f.path("empty.csv"), "id,prompt\na,\n").unwrap();
    std::fs::write(f.path("none.csv"), "id,prompt\n").unwrap();
    let layer = |text: &str| format!("name = \"t\"\n[attacks]\nfiles = [\"attacks.jsonl\"]\n[[layers]]\n{text}\n");
    let rules = |text: &str| format!("name = \"t\"\n{text}{RULES}");
    let cases: Vec<(String, &str, &str)> = vec![
        ("name = ".into(), ":1", "campaign"),
        (rules("[attacks]\nfile = [\"attacks.jsonl\"]\n"), ":3: there is no key `file` here", "did you mean `files`?"),
        (rules(""), "names no attacks", "[attacks]"),
        ("name = \"t\"\n[attacks]\nfiles = [\"attacks.jsonl\"]\n".into(), "names no layers", "[[layers]]"),
        ("[attacks]\nfiles = [\"attacks.jsonl\"]\n".into(), "has no name", "name ="),
        (rules("[attacks]\nfiles = [\"nowhere.jsonl\"]\n"), "nowhere.jsonl", ""),
        (rules("[attacks]\nfiles = [\"attacks.jsonl\"]\nprompt = \"promt\"\n"), "there is no column `promt`", "did you mean `prompt`?"),
        (rules("[attacks]\nfiles = [\"attacks.jsonl\"]\nstrata = [\"source\"]\n"), "there is no column `source`", "columns are"),
        (rules("[attacks]\nfiles = [\"twice.csv\"]\n"), "twice.csv:3, column `id`: the prompt `a` is there twice", "unique"),
        (rules("[attacks]\nfiles = [\"empty.csv\"]\n"), "empty.csv:2, column `prompt`: the prompt is empty", "every row"),
        (rules("[attacks]\nfiles = [\"none.csv\"]\n"), "hold no prompt", "a row a prompt"),
        (
            rules("[attacks]\nfiles = [\"attacks.jsonl\"]\n[operators]\nuse = [\"base46\"]\n"),
            ":5: there is no operator `base46`",
            "did you mean `base64`?",
        ),
        (rules("[attacks]\nfiles = [\"attacks.jsonl\"]\n[operators]\nchains = [\"rot13+bas64\"]\n"), ":5: there is no operator `bas64`", "base64"),
        (rules("[attacks]\nfiles = [\"attacks.jsonl\"]\n[operators]\nchains = [\"rot13\"]\nuse = [\"rot13\"]\n"), "`rot13` is there twice", "once"),
        (rules("repeats = 0\n[attacks]\nfiles = [\"attacks.jsonl\"]\n"), ":2: repeats must be 1", "leave the key out"),
        (rules("[attacks]\nfiles = [\"attacks.jsonl\"]\n[budget]\ncost = -1\n"), "a budget must be above 0", ""),
        (layer("name = \"a\""), ":4: the layer `a` has no kind", "the kinds are chat"),
        (layer("name = \"a\"\nkind = \"rule\""), ":6", "campaign"),
        (
            layer("name = \"a\"\nkind = \"rules\"\nurl = \"http://x\"\npatterns = [\"x\"]"),
            ":7: `url` says nothing about a layer of kind rules",
            "patterns",
        ),
        (layer("name = \"a\"\nkind = \"chat\"\nurl = \"http://x\""), "needs `model`", "schema campaign"),
        (layer("name = \"a\"\nkind = \"rules\"\npatterns = [\"(\"]"), ":7: `(` is not a regular expression", "look-around"),
        (layer("name = \"a\"\nkind = \"rules\"\nfile = \"no.txt\""), "no.txt` cannot be read", "a line"),
        (layer("name = \"a\"\nkind = \"rules\"\npatterns = [\"x\"]\nstage = \"model\""), "cannot have the stage model", "chat is the model"),
        (layer("name = \"goal\"\nkind = \"rules\"\npatterns = [\"x\"]"), "`goal` is there twice, or is the name of another column", ""),
        (layer("name = \"a\"\nkind = \"http\"\nurl = \"x.org\"\nbody = {}\nscore = \"/s\""), "`x.org` is not an address", "http://"),
        (
            layer("name = \"a\"\nkind = \"http\"\nurl = \"http://u:p@x.org\"\nbody = {}\nverdict = \"/s\"\nheld_when = [\"1\"]"),
            "keys never stand in files",
            "key_env",
        ),
        (
            layer("name = \"a\"\nkind = \"http\"\nurl = \"http://x.org\"\nbody = {}\nscore = \"/s\""),
            "a score needs threshold and fails_when",
            "suspicious",
        ),
        (layer("name = \"a\"\nkind = \"http\"\nurl = \"http://x.org\"\nbody = {}"), "nothing says where", "verdict"),
        (layer("name = \"a\"\nkind = \"rules\"\npatterns = [\"x\"]\nrate = 0"), "rate must be above 0", ""),
        (layer("name = \"a\"\nkind = \"judge\"\nurl = \"http://x\"\nmodel = \"m\"\nquestion = \"bad?\""), "never shows the judge", "{response}"),
        (rules("[attacks]\nfiles = [\"attacks.jsonl\"]\nstrata = [\"goal\"]\n"), ":4: `goal` cannot be a stratum", "family and language"),
        (layer("name = \"../evil\"\nkind = \"human\""), "cannot be the name of a person's queue", "letters"),
        (
            layer("name = \"a\"\nkind = \"http\"\nurl = \"http://x.org\"\nbody = { t = \"{promt}\" }\nverdict = \"/v\"\nheld_when = [\"1\"]"),
            "`{promt}` is nothing that can be filled in",
            "did you mean `prompt`?",
        ),
        (
            layer("name = \"a\"\nkind = \"litellm\"\nurl = \"http://x.org\"\nheaders = { x-api-key = \"abc\" }"),
            "keys never stand in files",
            "env:NAME",
        ),
        (
            rules(
                "[attacks]\nfiles = [\"attacks.jsonl\"]\n[operators]\nuse = [\"base64\", \"rot13\", \"url\", \"morse\", \"binary\", \"flip\", \"caesar\", \"atbash\", \"zalgo\", \"bidi\"]\ndepth = 99\n",
            ),
            "sequences are too many",
            "smaller depth",
        ),
    ];
    for (text, wrong, remedy) in cases {
        std::fs::write(f.path("campaign.toml"), &text).unwrap();
        let e = f.file().and_then(|c| Prepared::new(c, None)).map(drop).unwrap_err();
        let hint = e.hint().unwrap_or_default().to_owned();
        assert!(e.to_string().contains(wrong) && hint.contains(remedy), "{text}\n→ {e}\n  {hint}");
    }
}

#[test]
fn a_journal_is_only_ever_a_journal() {
    let f = Folder::new(&attacks(2), RULES);
    std::fs::create_dir(f.path("run")).unwrap();
    std::fs::write(f.path("run/journal.sqlite"), vec![7; 5000]).unwrap();
    let e = f.run(coincide_stress::RunOptions { resume: true, ..Default::default() }).unwrap_err();
    assert!(e.to_string().contains("is not a journal"), "{e}");
}
