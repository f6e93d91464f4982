//! The terminal: the answer first, then tables that fit the width.

use crate::block::{Align, Block, Table};
use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Width};

/// How to lay a report out.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether to use colour.
    pub colour: Colour,
}

/// Whether to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Escape sequences for bold and colour.
    On,
    /// Plain text.
    Off,
}

/// The report as text for a terminal.
pub fn terminal(blocks: &[Block], layout: Layout) -> String {
    let mut out = String::new();
    let prose = layout.width.min(100);
    let styled = |text: &str, style: Style| if layout.colour == Colour::On { format!("{style}{text}{style:#}") } else { text.to_owned() };
    let mut sentences = 0;
    for block in blocks {
        match block {
            Block::Answer(s) => {
                sentences += 1;
                let style = if sentences <= 3 { Style::new().bold() } else { Style::new().fg_color(Some(AnsiColor::Yellow.into())) };
                for line in textwrap::wrap(s, prose) {
                    out += &styled(&line, style);
                    out.push('\n');
                }
                out.push('\n');
            }
            Block::Heading { title, .. } => {
                out += &styled(title, Style::new().bold().fg_color(Some(AnsiColor::Cyan.into())));
                out.push('\n');
            }
            Block::Conclusion(s) => {
                for line in textwrap::wrap(s, prose) {
                    out += &styled(&line, Style::new().italic());
                    out.push('\n');
                }
            }
            Block::Text(t) => {
                out += &textwrap::fill(t, prose);
                out += "\n\n";
            }
            Block::Table(t) => {
                out += &table(t, layout.width);
                out += "\n\n";
            }
            Block::List(lines) => {
                for (depth, line) in lines {
                    let (first, rest) = (format!("{}- ", "  ".repeat(*depth)), "  ".repeat(depth + 1));
                    out += &textwrap::fill(line, textwrap::Options::new(prose).initial_indent(&first).subsequent_indent(&rest));
                    out.push('\n');
                }
                out.push('\n');
            }
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    // They have done their work: what is copied from a terminal should hold ordinary spaces.
    out.replace('\u{a0}', " ")
}

fn table(t: &Table, width: usize) -> String {
    let full = lay_out(t, &t.rows, None);
    if natural_width(&full) <= width {
        return full;
    }
    let rows = if t.narrow.is_empty() { &t.rows } else { &t.narrow };
    let narrow = lay_out(t, rows, None);
    if natural_width(&narrow) <= width {
        return narrow;
    }
    let held = lay_out(t, rows, Some(width));
    if natural_width(&held) <= width {
        return held;
    }
    // Better an interval broken over two lines than a table wider than the terminal.
    let loose: Vec<Vec<String>> = rows.iter().map(|r| r.iter().map(|c| c.replace('\u{a0}', " ")).collect()).collect();
    lay_out(t, &loose, Some(width))
}

/// Letters of a name in the first column that stay on one line.
const LONGEST_NAME: usize = 24;

fn natural_width(text: &str) -> usize {
    text.lines().map(textwrap::core::display_width).max().unwrap_or(0)
}

fn lay_out(t: &Table, rows: &[Vec<String>], width: Option<usize>) -> String {
    let mut table = comfy_table::Table::new();
    // A rule under the titles and nothing else: numbers are read down, not across lines.
    table.load_preset("     ──            ");
    let side = |a: Align| if a == Align::Right { CellAlignment::Right } else { CellAlignment::Left };
    table.set_header(t.columns.iter().map(|c| Cell::new(&c.title).set_alignment(side(c.align))));
    for row in rows {
        table.add_row(row.iter().zip(&t.columns).map(|(cell, c)| Cell::new(cell).set_alignment(side(c.align))));
    }
    match width {
        Some(w) => {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(w as u16);
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    for (i, column) in t.columns.iter().enumerate() {
        // Numbers, intervals and the words of titles are never broken over lines; names are, where they are long.
        if width.is_some() {
            let longest_word = |cell: &str| cell.split(' ').map(textwrap::core::display_width).max().unwrap_or(0);
            let longest = rows.iter().map(|r| longest_word(&r[i])).chain([longest_word(&column.title)]).max().unwrap_or(1);
            let longest = if column.align == Align::Left && i == 0 { longest.min(LONGEST_NAME) } else { longest };
            if let Some(c) = table.column_mut(i) {
                c.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(longest as u16 + 2)));
            }
        }
    }
    let text = table.to_string();
    let first = text.lines().next().map_or(0, |l| l.len() - l.trim_start().len()).min(1);
    text.lines().map(|l| l.get(first..).unwrap_or(l).trim_end()).collect::<Vec<_>>().join("\n")
}
