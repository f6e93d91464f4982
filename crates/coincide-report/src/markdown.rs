//! Markdown, for a pull request or a wiki.

use crate::block::{Align, Block, Table};

/// The report as Markdown.
pub fn markdown(title: &str, blocks: &[Block]) -> String {
    let mut out = format!("# {title}\n\n");
    for block in blocks {
        match block {
            Block::Answer(s) => out += &format!("> {s}\n>\n"),
            Block::Heading { title, .. } => {
                if out.ends_with(">\n") {
                    out.truncate(out.len() - 2);
                    out.push('\n');
                }
                out += &format!("## {title}\n\n");
            }
            Block::Conclusion(s) => out += &format!("**{s}**\n\n"),
            Block::Text(t) => out += &format!("{t}\n\n"),
            Block::List(lines) => {
                lines.iter().for_each(|(depth, line)| out += &format!("{}- {line}\n", "  ".repeat(*depth)));
                out.push('\n');
            }
            Block::Table(t) => {
                out += &table(t);
                out.push('\n');
            }
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out.replace('\u{a0}', " ")
}

fn table(t: &Table) -> String {
    let escape = |c: &str| c.replace('|', "\\|").replace('\n', " ");
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut out = line(t.columns.iter().map(|c| escape(&c.title)).collect());
    out += &line(t.columns.iter().map(|c| if c.align == Align::Right { "--:" } else { ":--" }.to_owned()).collect());
    for row in &t.rows {
        out += &line(row.iter().map(|c| escape(c)).collect());
    }
    out
}
