//! A chapter of the book, which is Markdown, as a page of man(7).

use std::fmt::Write as _;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::Page;
use crate::roff::{escaped, guarded, quoted};

/// A chapter, and the page that it is.
#[derive(Debug, Clone, Copy)]
pub struct Chapter<'a> {
    /// `updater.toml`.
    pub name: &'a str,
    /// 5 for a file.
    pub section: u8,
    /// What the file is, in a few words.
    pub about: &'a str,
    /// What makes it: the program and its version.
    pub source: &'a str,
    /// Other pages: `updater(8)`.
    pub see_also: &'a str,
    /// The chapter's text.
    pub markdown: &'a str,
}

/// The page. Headings are its sections, tables its lists of terms; links into the book are their text.
pub fn chapter_page(chapter: &Chapter<'_>) -> Page {
    let Chapter { name, section, about, source, see_also, markdown } = *chapter;
    let title = quoted(&name.to_uppercase());
    let mut writer = Writer::default();
    writer.line(&format!(".TH {title} {section} \"\" {} \"\"", quoted(source)));
    writer.line(&format!(".SH NAME\n{} \\- {}", escaped(name), escaped(about)));
    writer.line(".SH DESCRIPTION");
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        writer.take(event);
    }
    writer.line(&format!(".SH SEE ALSO\n{}", escaped(see_also)));
    Page { file: format!("{name}.{section}"), text: writer.page }
}

#[derive(Default)]
struct Writer {
    page: String,
    /// The text of the block that is being read.
    block: String,
    /// The level of the heading that is being read.
    heading: Option<HeadingLevel>,
    is_code: bool,
    /// Where a link leads, unless into the book.
    link: Option<String>,
    /// The first row of a table.
    columns: Vec<String>,
    row: Vec<String>,
    /// Lists that are open.
    lists: usize,
}

impl Writer {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.is_code => self.block.push_str(&text),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => {
                self.block.push_str(&escaped(&text));
            }
            Event::Code(text) if self.heading.is_some() => self.block.push_str(&escaped(&text)),
            Event::Code(text) => {
                let _ = write!(self.block, "\\fB{}\\fR", escaped(&text));
            }
            Event::SoftBreak => self.block.push('\n'),
            Event::HardBreak => self.block.push_str("\n.br\n"),
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => self.heading = Some(*level),
            Tag::CodeBlock(CodeBlockKind::Fenced(_) | CodeBlockKind::Indented) => {
                self.end_paragraph();
                self.is_code = true;
            }
            Tag::List(_) => {
                self.end_paragraph();
                self.lists += 1;
            }
            Tag::Item => self.line(".IP \\(bu 2"),
            Tag::Emphasis => self.block.push_str("\\fI"),
            Tag::Strong => self.block.push_str("\\fB"),
            Tag::Link { dest_url, .. } if dest_url.contains("://") => {
                self.link = Some(dest_url.to_string());
            }
            Tag::TableHead => self.columns.clear(),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => self.end_heading(),
            TagEnd::Paragraph | TagEnd::Item => self.end_paragraph(),
            TagEnd::CodeBlock => self.end_code(),
            TagEnd::List(_) => {
                self.lists -= 1;
                if self.lists == 0 {
                    self.line(".PP");
                }
            }
            TagEnd::Emphasis | TagEnd::Strong => self.block.push_str("\\fR"),
            TagEnd::Link => {
                if let Some(url) = self.link.take() {
                    let _ = write!(self.block, " <{}>", escaped(&url));
                }
            }
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.block);
                self.row.push(cell.trim().replace('\n', " "));
            }
            TagEnd::TableHead => self.columns = std::mem::take(&mut self.row),
            TagEnd::TableRow => self.end_row(),
            TagEnd::Table => self.line(".PP"),
            _ => {}
        }
    }

    fn end_heading(&mut self) {
        let text = quoted(&std::mem::take(&mut self.block));
        match self.heading.take() {
            // The title is the page's.
            Some(HeadingLevel::H1) | None => {}
            Some(HeadingLevel::H2) => self.line(&format!(".SH {text}")),
            Some(_) => self.line(&format!(".SS {text}")),
        }
    }

    fn end_paragraph(&mut self) {
        let block = std::mem::take(&mut self.block);
        if block.trim().is_empty() {
            return;
        }
        if self.lists == 0 {
            self.line(".PP");
        }
        self.line(&guarded(block.trim()));
    }

    fn end_code(&mut self) {
        self.is_code = false;
        let code = std::mem::take(&mut self.block);
        let code = guarded(&escaped(code.trim_end()));
        self.line(&format!(".PP\n.RS 4\n.EX\n{code}\n.EE\n.RE\n.PP"));
    }

    /// A term, and what the other columns say of it.
    fn end_row(&mut self) {
        let row = std::mem::take(&mut self.row);
        let Some((term, rest)) = row.split_first() else { return };
        let names = self.columns.iter().skip(1).map(String::as_str).chain(std::iter::repeat(""));
        let said = rest.iter().zip(names).filter(|(cell, _)| !cell.is_empty());
        let said = said.map(|(cell, name)| match name {
            "" => guarded(cell),
            name => guarded(&format!("{name}: {cell}")),
        });
        let said: Vec<_> = said.collect();
        self.line(&format!(".TP\n{}\n{}", guarded(term), said.join("\n.br\n")));
    }

    fn line(&mut self, line: &str) {
        self.page.push_str(line);
        self.page.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chapter_is_a_page() {
        let markdown = "# The file\n\nIt is *read* once. See [that](other.md#there), [this](https://example.org).\n\
             'Tis so.\n\n## `[app]`\n\n| key | default | |\n|---|---|---|\n| `keep` | `3` | how many - at most |\n\
             | `user` | | whose |\n\n- one\n- two,\n  with `code`\n\n### More\n\n```toml\n.x = \"a\\\\b\"\n```\n";
        let page = chapter_page(&Chapter {
            name: "file.toml",
            section: 5,
            about: "a file",
            source: "tool 1.0",
            see_also: "tool(8)",
            markdown,
        });
        assert_eq!(page.file, "file.toml.5");
        let expected = ".TH \"FILE.TOML\" 5 \"\" \"tool 1.0\" \"\"
.SH NAME
file.toml \\- a file
.SH DESCRIPTION
.PP
It is \\fIread\\fR once. See that, this <https://example.org>.
\\&'Tis so.
.SH \"[app]\"
.TP
\\fBkeep\\fR
default: \\fB3\\fR
.br
how many \\- at most
.TP
\\fBuser\\fR
whose
.PP
.IP \\(bu 2
one
.IP \\(bu 2
two,
with \\fBcode\\fR
.PP
.SS \"More\"
.PP
.RS 4
.EX
\\&.x = \"a\\e\\eb\"
.EE
.RE
.PP
.SH SEE ALSO
tool(8)
";
        assert_eq!(page.text, expected);
    }
}
