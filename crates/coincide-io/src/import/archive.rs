//! A ZIP archive from a stranger: entries by name, each with a limit on its size and on how much it may grow.

use super::json::{self, Broken, Want};
use crate::error::{Error, Result};
use crate::source::Source;
use std::fs::File;
use std::io::{BufReader, Read};
use zip::ZipArchive;

/// Bytes that an entry may have when unpacked.
const MOST: u64 = 1 << 32;
/// How often an entry may be larger than its packed form, once it is larger than [`SMALL`].
const RATIO: u64 = 1000;
const SMALL: u64 = 1 << 24;
/// Entries of an archive.
const ENTRIES: usize = 4_000_000;

pub(crate) struct Archive {
    name: String,
    zip: ZipArchive<BufReader<File>>,
    /// Bytes that may still be unpacked, over all entries: they may share their packed form.
    left: u64,
}

impl Archive {
    /// Fails on what is no whole archive.
    pub(crate) fn open(source: &Source) -> Result<Archive> {
        let name = source.name.clone();
        let zip = ZipArchive::new(BufReader::new(source.file()?)).map_err(|e| {
            Error::file(&name, format!("is not a whole ZIP archive: {e}"))
                .hinted("its list of entries stands at the end: fetch the file again, or let the tool that writes it finish")
        })?;
        if zip.len() > ENTRIES {
            return Err(Error::file(&name, format!("has {} entries; at most {ENTRIES} are read", zip.len())));
        }
        let size = source.file()?.metadata().map_err(Error::io(&name))?.len();
        Ok(Archive { name, zip, left: size.saturating_mul(RATIO).max(SMALL) })
    }

    /// Names of all entries that are text.
    pub(crate) fn names(&self) -> Vec<String> {
        self.zip.file_names().filter_map(std::result::Result::ok).map(std::borrow::Cow::into_owned).collect()
    }

    pub(crate) fn has(&self, entry: &str) -> bool {
        self.zip.index_for_name(entry).is_some()
    }

    /// Calls `each` with the wanted pieces of a JSON entry. Fails when it is damaged, too large, or no JSON.
    pub(crate) fn walk(&mut self, entry: &str, wants: &[Want], each: &mut dyn FnMut(usize, &[u8]) -> Result<()>) -> Result<()> {
        let place = format!("{}, {entry}", self.name);
        let damaged = |e: zip::result::ZipError| Error::file(&place, format!("cannot be unpacked: {e}")).hinted("fetch or write the log again");
        let file = self.zip.by_name(entry).map_err(damaged)?;
        let most = MOST.min(file.compressed_size().saturating_mul(RATIO).max(SMALL));
        let mut limited = Limited { inner: file, left: most.min(self.left), over: false };
        let walked = json::walk(&mut limited, wants, each);
        if limited.over {
            let what = if most <= self.left { format!("{most} bytes") } else { format!("{} bytes, as those before it did", self.left) };
            return Err(Error::file(&place, format!("unpacks to more than {what}, {RATIO} times its packed size or more: it is not a log"))
                .hinted("do not open files like this one; ask whoever sent it"));
        }
        self.left -= most.min(self.left) - limited.left;
        walked.map_err(|b| match b {
            Broken::Io(e) => Error::file(&place, format!("is damaged: {e}")).hinted("fetch or write the log again"),
            other => other.of(&place),
        })
    }
}

/// Ends with an error where `Take` would end in silence.
struct Limited<R> {
    inner: R,
    left: u64,
    over: bool,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(out)?;
        if n as u64 > self.left {
            self.over = true;
            return Err(std::io::Error::other("too large"));
        }
        self.left -= n as u64;
        Ok(n)
    }
}
