//! A report as a list of blocks, which the renderings lay out.

/// One piece of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A section's title, and the name of the section whose conclusion stands under it; empty where it has none of its own.
    Heading {
        /// Name of the section in [`crate::conclusions()`].
        section: &'static str,
        /// Title.
        title: String,
    },
    /// What the section above says, in a sentence.
    Conclusion(String),
    /// A sentence of the answer, shown first and set apart.
    Answer(String),
    /// Running text.
    Text(String),
    /// A table.
    Table(Table),
    /// A list; each line with its depth.
    List(Vec<(usize, String)>),
}

/// A table; every cell is text already.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Column titles.
    pub columns: Vec<Column>,
    /// Rows.
    pub rows: Vec<Vec<String>>,
    /// Rows of the same table for a narrow terminal; empty when there is no shorter way to say it.
    pub narrow: Vec<Vec<String>>,
}

/// A column's title and side.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Title.
    pub title: String,
    /// Numbers stand on the right.
    pub align: Align,
}

/// Side on which cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

impl Table {
    /// An empty table; titles that begin with `>` are columns of numbers.
    pub fn new(titles: &[&str]) -> Self {
        let column = |t: &&str| match t.strip_prefix('>') {
            Some(title) => Column { title: title.to_owned(), align: Align::Right },
            None => Column { title: (*t).to_owned(), align: Align::Left },
        };
        Table { columns: titles.iter().map(column).collect(), ..Table::default() }
    }
    /// Adds a row of as many cells as there are columns.
    pub fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }
    /// Adds a row whose first cell is `first` when the terminal is narrow.
    pub(crate) fn row_or(&mut self, cells: Vec<String>, first: String) {
        let mut narrow = cells.clone();
        narrow[0] = first;
        self.narrow.push(narrow);
        self.row(cells);
    }
}
