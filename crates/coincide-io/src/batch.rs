//! Every file as a sequence of column batches, whatever it is: text is parsed into string columns, Parquet and Arrow
//! come typed. Only the columns asked for are decoded.

use crate::error::{Error, Place, Result};
use crate::guard::fenced;
use crate::import::json::{bad_line, for_each_line};
use crate::source::{Format, Source};
use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchReader};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use std::io::{BufReader, Read};
use std::sync::Arc;

/// Rows of some columns, and where they stand in the file.
pub(crate) struct Batch {
    pub columns: Vec<ArrayRef>,
    pub rows: usize,
    pub lines: Lines,
}

/// Place of each row of a batch.
pub(crate) enum Lines {
    /// Line numbers of a text file.
    Text(Vec<u64>),
    /// Number of the first row of a columnar file, from 1.
    Rows(u64),
}

impl Batch {
    pub(crate) fn place(&self, file: &str, row: usize, column: Option<&str>) -> Place {
        let (line, rows) = match &self.lines {
            Lines::Text(lines) => (lines[row], false),
            Lines::Rows(first) => (first + row as u64, true),
        };
        Place { file: file.to_owned(), line: Some(line), row: rows, column: column.map(str::to_owned) }
    }
}

/// Rows in a batch of text, and of a columnar file.
const TEXT_ROWS: usize = 8192;
/// Rows handed on at once of a table in memory.
const MEMORY_ROWS: usize = 65_536;
const COLUMNAR_ROWS: usize = 16384;

/// A file opened for reading: its columns, and a way to go through them.
pub(crate) struct Table {
    pub source: Arc<Source>,
    pub columns: Vec<String>,
    parquet: Option<ArrowReaderMetadata>,
    /// A table that was never a file: frames, and logs of other tools.
    memory: Option<Memory>,
}

/// Batches in pieces that are counted at once, without copying them.
struct Memory {
    schema: SchemaRef,
    pieces: Vec<RecordBatch>,
    /// The first row of each piece, from 1.
    firsts: Vec<u64>,
}

impl Memory {
    fn new(schema: SchemaRef, batches: &[RecordBatch]) -> Memory {
        let mut out = Memory { schema, pieces: Vec::new(), firsts: Vec::new() };
        let mut row = 1;
        for batch in batches {
            for first in (0..batch.num_rows()).step_by(MEMORY_ROWS) {
                let piece = batch.slice(first, MEMORY_ROWS.min(batch.num_rows() - first));
                out.firsts.push(row);
                row += piece.num_rows() as u64;
                out.pieces.push(piece);
            }
        }
        out
    }

    fn read(&self, piece: usize, columns: &[usize]) -> Batch {
        let batch = &self.pieces[piece];
        let columns = columns.iter().map(|&c| batch.column(c).clone()).collect();
        Batch { columns, rows: batch.num_rows(), lines: Lines::Rows(self.firsts[piece]) }
    }
}

/// A piece of a file that can be read by itself: a row group of Parquet, a piece of a table in memory, else the whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub file: usize,
    pub row_group: Option<usize>,
}

impl Table {
    pub(crate) fn open(name: &str) -> Result<Table> {
        Table::of(Arc::new(Source::open(name)?))
    }

    /// A table in memory; the source stands for where it came from. Fails where two columns have one name.
    pub(crate) fn in_memory(source: Arc<Source>, schema: SchemaRef, batches: &[RecordBatch]) -> Result<Table> {
        let columns: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        no_twins(&source.name, &columns)?;
        Ok(Table { source, columns, parquet: None, memory: Some(Memory::new(schema, batches)) })
    }

    pub(crate) fn of(source: Arc<Source>) -> Result<Table> {
        let name = &source.name;
        let mut parquet = None;
        let columns = match source.format {
            Format::Delimited(separator) => delimited_header(&source, separator)?,
            Format::JsonLines => json_keys(&source)?,
            Format::Parquet => {
                let meta = parquet_metadata(&source)?;
                let names = meta.schema().fields().iter().map(|f| f.name().clone()).collect();
                parquet = Some(meta);
                names
            }
            Format::ArrowFile | Format::ArrowStream => {
                let (reader, _) = arrow_reader(&source, None)?;
                reader.schema().fields().iter().map(|f| f.name().clone()).collect()
            }
            Format::Memory => Vec::new(),
            Format::JsonArray => {
                return Err(Error::file(name, "is a JSON array; expected one JSON object a line").hinted("convert it, for example with: jq -c '.[]'"));
            }
            Format::Zip | Format::Sqlite => {
                let what =
                    if source.format == Format::Zip { "a ZIP archive, but no Inspect log" } else { "an SQLite database, but not PyRIT's memory" };
                return Err(Error::file(name, format!("is {what}")).hinted("give the tables in it, as CSV or Parquet"));
            }
        };
        no_twins(name, &columns)?;
        Ok(Table { source, columns, parquet, memory: None })
    }

    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c == name)
    }

    /// Key-value metadata of a Parquet file, or of a table in memory.
    pub(crate) fn metadata(&self, key: &str) -> Option<&str> {
        if let Some(memory) = &self.memory {
            return memory.schema.metadata().get(key).map(String::as_str);
        }
        let list = self.parquet.as_ref()?.metadata().file_metadata().key_value_metadata()?;
        list.iter().find(|kv| kv.key == key)?.value.as_deref()
    }

    /// Number of row groups of a Parquet file, or of pieces of a table in memory.
    pub(crate) fn row_groups(&self) -> Option<usize> {
        self.memory.as_ref().map(|m| m.pieces.len()).or_else(|| self.parquet.as_ref().map(|p| p.metadata().num_row_groups()))
    }

    /// Rows of a Parquet file or of a table in memory, or of one of its row groups.
    pub(crate) fn rows(&self, row_group: Option<usize>) -> Option<u64> {
        if let Some(memory) = &self.memory {
            let pieces = row_group.map_or(0..memory.pieces.len(), |g| g..g + 1);
            return Some(memory.pieces[pieces].iter().map(|p| p.num_rows() as u64).sum());
        }
        let meta = self.parquet.as_ref()?.metadata();
        Some(match row_group {
            Some(g) => meta.row_group(g).num_rows() as u64,
            None => meta.file_metadata().num_rows() as u64,
        })
    }

    /// Whether a Parquet column's statistics prove that it holds only 0 and 1.
    pub(crate) fn binary_by_statistics(&self, column: usize) -> Option<bool> {
        use parquet::file::statistics::Statistics;
        let parquet = self.parquet.as_ref()?;
        if !parquet.schema().field(column).data_type().is_integer() {
            return None;
        }
        let meta = parquet.metadata();
        for g in 0..meta.num_row_groups() {
            let inside = match meta.row_group(g).column(column).statistics()? {
                Statistics::Int32(s) => *s.min_opt()? >= 0 && *s.max_opt()? <= 1,
                Statistics::Int64(s) => *s.min_opt()? >= 0 && *s.max_opt()? <= 1,
                _ => return None,
            };
            if !inside {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Goes through `columns` (indices), batch by batch.
    pub(crate) fn read(&self, row_group: Option<usize>, columns: &[usize], f: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        if let Some(memory) = &self.memory {
            return row_group.map_or(0..memory.pieces.len(), |g| g..g + 1).try_for_each(|p| f(memory.read(p, columns)));
        }
        match self.source.format {
            Format::Delimited(separator) => self.read_delimited(separator, columns, f),
            Format::JsonLines => self.read_json(columns, f),
            Format::Parquet => self.read_parquet(row_group, columns, f),
            Format::ArrowFile | Format::ArrowStream => self.read_arrow(columns, f),
            // Refused when they were opened.
            Format::JsonArray | Format::Zip | Format::Sqlite | Format::Memory => Ok(()),
        }
    }

    fn read_delimited(&self, separator: u8, columns: &[usize], f: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        let mut reader = csv_reader(&self.source, separator)?;
        reader.byte_headers().map_err(|e| csv_error(&self.source, &e))?;
        let mut text = TextBatch::new(columns.len());
        let mut record = csv::ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(|e| csv_error(&self.source, &e))? {
            let line = record.position().map_or(0, csv::Position::line);
            for (i, &c) in columns.iter().enumerate() {
                let cell = std::str::from_utf8(&record[c]).map_err(|_| self.not_utf8(line, Some(&self.columns[c])))?;
                text.builders[i].append_value(cell);
            }
            text.lines.push(line);
            if text.lines.len() == TEXT_ROWS {
                f(text.take())?;
            }
        }
        if text.lines.is_empty() { Ok(()) } else { f(text.take()) }
    }

    fn not_utf8(&self, line: u64, column: Option<&str>) -> Error {
        let place = Place { file: self.source.name.clone(), line: Some(line), row: false, column: column.map(str::to_owned) };
        Error::Bad { place, what: "the text is not UTF-8".into(), hint: Some("save the file as UTF-8".into()) }
    }

    fn read_json(&self, columns: &[usize], f: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        let names: Vec<&str> = columns.iter().map(|&c| self.columns[c].as_str()).collect();
        let mut text = TextBatch::new(columns.len());
        for_each_object(&self.source, &mut |line, object| {
            for (i, name) in names.iter().enumerate() {
                match object.get(*name) {
                    None | Some(serde_json::Value::Null) => text.builders[i].append_value(""),
                    Some(serde_json::Value::String(s)) => text.builders[i].append_value(s),
                    Some(other) => text.builders[i].append_value(other.to_string()),
                }
            }
            text.lines.push(line);
            if text.lines.len() == TEXT_ROWS { f(text.take()) } else { Ok(()) }
        })?;
        if text.lines.is_empty() { Ok(()) } else { f(text.take()) }
    }

    fn read_parquet(&self, row_group: Option<usize>, columns: &[usize], f: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        let Some(meta) = &self.parquet else { return Ok(()) };
        let broken =
            |e: &dyn std::fmt::Display| Error::file(&self.source.name, format!("the Parquet data is damaged: {e}")).hinted("write the file again");
        let first: u64 = row_group.map_or(0, |g| (0..g).filter_map(|i| self.rows(Some(i))).sum());
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.source.file()?, meta.clone()).with_batch_size(COLUMNAR_ROWS);
        if let Some(g) = row_group {
            builder = builder.with_row_groups(vec![g]);
        }
        let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
        let mut reader = fenced(|| builder.with_projection(mask).build()).map_err(|p| broken(&p.0))?.map_err(|e| broken(&e))?;
        let at = positions(&reader.schema(), columns.iter().map(|&c| self.columns[c].as_str()));
        let mut row = first + 1;
        while let Some(batch) = fenced(|| reader.next()).map_err(|p| broken(&p.0))? {
            let batch = batch.map_err(|e| broken(&e))?;
            let rows = batch.num_rows();
            f(Batch { columns: at.iter().map(|&i| batch.column(i).clone()).collect(), rows, lines: Lines::Rows(row) })?;
            row += rows as u64;
        }
        Ok(())
    }

    fn read_arrow(&self, columns: &[usize], f: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        let mut projection = columns.to_vec();
        projection.sort_unstable();
        projection.dedup();
        // A file's reader still reports the whole schema; the batches hold the projection, in its order.
        let at: Vec<usize> = columns.iter().map(|c| projection.partition_point(|p| p < c)).collect();
        let (mut reader, broken) = arrow_reader(&self.source, Some(projection))?;
        let mut row = 1;
        while let Some(batch) = fenced(|| reader.next()).map_err(|p| broken(&p.0))? {
            let batch = batch.map_err(|e| broken(&e))?;
            let rows = batch.num_rows();
            f(Batch { columns: at.iter().map(|&i| batch.column(i).clone()).collect(), rows, lines: Lines::Rows(row) })?;
            row += rows as u64;
        }
        Ok(())
    }
}

fn positions<'a>(schema: &Schema, names: impl Iterator<Item = &'a str>) -> Vec<usize> {
    names.map(|n| schema.index_of(n).unwrap_or(0)).collect()
}

struct TextBatch {
    builders: Vec<StringBuilder>,
    lines: Vec<u64>,
}

impl TextBatch {
    fn new(columns: usize) -> Self {
        TextBatch { builders: (0..columns).map(|_| StringBuilder::new()).collect(), lines: Vec::new() }
    }
    fn take(&mut self) -> Batch {
        let rows = self.lines.len();
        Batch {
            columns: self.builders.iter_mut().map(|b| Arc::new(b.finish()) as ArrayRef).collect(),
            rows,
            lines: Lines::Text(std::mem::take(&mut self.lines)),
        }
    }
}

fn csv_reader(source: &Source, separator: u8) -> Result<csv::Reader<Box<dyn Read + Send>>> {
    Ok(csv::ReaderBuilder::new().delimiter(separator).from_reader(source.reader()?))
}

fn csv_error(source: &Source, e: &csv::Error) -> Error {
    let at = |line: Option<u64>, what: String, hint: &str| Error::Bad {
        place: Place { file: source.name.clone(), line, ..Place::default() },
        what,
        hint: Some(hint.to_owned()),
    };
    match e.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => at(
            pos.as_ref().map(csv::Position::line),
            format!("{len} fields; the header has {expected_len}"),
            "every line needs one field per column; put quotes around a field with a comma in it",
        ),
        csv::ErrorKind::Io(e) => source.broken(e),
        _ => at(e.position().map(csv::Position::line), format!("cannot be read: {e}"), "check the quotes on that line"),
    }
}

/// Fails where two columns have one name.
fn no_twins(name: &str, columns: &[String]) -> Result<()> {
    let mut sorted: Vec<&String> = columns.iter().collect();
    sorted.sort();
    match sorted.windows(2).find(|w| w[0] == w[1]) {
        Some(twice) => Err(Error::file(name, format!("two columns are called `{}`", twice[0])).hinted("rename one of them")),
        None => Ok(()),
    }
}

fn delimited_header(source: &Source, separator: u8) -> Result<Vec<String>> {
    let mut reader = csv_reader(source, separator)?;
    let header = reader.byte_headers().map_err(|e| csv_error(source, &e))?;
    let mut names = Vec::new();
    for (i, cell) in header.iter().enumerate() {
        let name =
            std::str::from_utf8(cell).map_err(|_| Error::file(&source.name, "the header is not UTF-8 text").hinted("save the file as UTF-8"))?;
        if name.trim().is_empty() {
            // An index column that a data frame wrote without a name.
            names.push(format!("(column {})", i + 1));
        } else {
            names.push(name.trim().to_owned());
        }
    }
    Ok(names)
}

/// Calls `f` with every line's object.
fn for_each_object(source: &Source, f: &mut dyn FnMut(u64, serde_json::Map<String, serde_json::Value>) -> Result<()>) -> Result<()> {
    for_each_line(source, &mut |line| {
        let bad = |what: String, hint: &str| bad_line(source, line.number, what).hinted(hint);
        match serde_json::from_slice(line.text) {
            Ok(serde_json::Value::Object(map)) => f(line.number, map),
            Ok(_) => Err(bad("is not a JSON object".into(), "every line holds one object, {\"trial\": …, \"layer name\": 0 or 1, …}")),
            Err(e) => Err(bad(format!("is not valid JSON (character {}): {e}", e.column()), "write one JSON object a line")),
        }
    })
}

/// All keys of a JSON-lines file, in order of first appearance.
fn json_keys(source: &Source) -> Result<Vec<String>> {
    let mut seen = rustc_hash::FxHashSet::default();
    let mut keys = Vec::new();
    for_each_object(source, &mut |_, object| {
        for key in object.into_iter().map(|(k, _)| k) {
            if !seen.contains(&key) {
                seen.insert(key.clone());
                keys.push(key);
            }
        }
        Ok(())
    })?;
    Ok(keys)
}

fn parquet_metadata(source: &Source) -> Result<ArrowReaderMetadata> {
    let broken =
        |e: &dyn std::fmt::Display| Error::file(&source.name, format!("is not a whole Parquet file: {e}")).hinted("write or fetch the file again");
    let file = source.file()?;
    let plain = fenced(|| ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())).map_err(|p| broken(&p.0))?.map_err(|e| broken(&e))?;
    // Text repeats in columns of strata and clusters: read it as dictionaries, which decode without copying text.
    let keyed: Vec<Field> = plain
        .schema()
        .fields()
        .iter()
        .map(|f| match f.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                f.as_ref().clone().with_data_type(DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)))
            }
            _ => f.as_ref().clone(),
        })
        .collect();
    let schema = Arc::new(Schema::new_with_metadata(keyed, plain.schema().metadata().clone()));
    Ok(ArrowReaderMetadata::try_new(plain.metadata().clone(), ArrowReaderOptions::new().with_schema(schema)).unwrap_or(plain))
}

type Broken<'a> = Box<dyn Fn(&dyn std::fmt::Display) -> Error + 'a>;

/// The decoder allocates what a block's length says before it reads: a length beyond the file's end must be found first.
fn blocks_lie_inside(source: &Source) -> std::result::Result<(), arrow_schema::ArrowError> {
    use std::io::{Read, Seek, SeekFrom};
    let wrong = |what: &str| arrow_schema::ArrowError::ParseError(what.to_owned());
    let mut file = source.file().map_err(|e| wrong(&e.to_string()))?;
    let size = file.seek(SeekFrom::End(0))?;
    let mut tail = [0; 10];
    file.seek(SeekFrom::Start(size.checked_sub(10).ok_or_else(|| wrong("the file is too short"))?))?;
    file.read_exact(&mut tail)?;
    let length = arrow_ipc::reader::read_footer_length(tail)? as u64;
    let start = (size - 10).checked_sub(length).ok_or_else(|| wrong("the footer is longer than the file"))?;
    let mut bytes = vec![0; length as usize];
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut bytes)?;
    let footer = arrow_ipc::root_as_footer(&bytes).map_err(|e| wrong(&e.to_string()))?;
    for block in footer.recordBatches().iter().flatten().chain(footer.dictionaries().iter().flatten()) {
        let parts = [block.offset(), i64::from(block.metaDataLength()), block.bodyLength()];
        let end = parts.iter().try_fold(0u64, |sum, &x| sum.checked_add(u64::try_from(x).ok()?));
        if end.is_none_or(|end| end > size) {
            return Err(wrong("a block reaches beyond the end of the file"));
        }
    }
    Ok(())
}

fn arrow_reader(source: &Source, projection: Option<Vec<usize>>) -> Result<(Box<dyn RecordBatchReader>, Broken<'_>)> {
    let broken =
        |e: &dyn std::fmt::Display| Error::file(&source.name, format!("the Arrow data is damaged or cut short: {e}")).hinted("write the file again");
    let file = BufReader::new(source.file()?);
    let open = || -> std::result::Result<Box<dyn RecordBatchReader>, arrow_schema::ArrowError> {
        Ok(if source.format == Format::ArrowFile {
            blocks_lie_inside(source)?;
            Box::new(arrow_ipc::reader::FileReader::try_new(file, projection)?)
        } else {
            Box::new(arrow_ipc::reader::StreamReader::try_new(file, projection)?)
        })
    };
    let reader = fenced(open).map_err(|p| broken(&p.0))?.map_err(|e| broken(&e))?;
    Ok((reader, Box::new(broken)))
}
