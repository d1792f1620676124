//! Text that fits so many columns.

/// All of a text, in lines that fit. A word that is longer than a line has one of its own.
pub fn wrapped(text: &str, columns: usize) -> Vec<String> {
    in_widths(text, |_| columns)
}

/// The same as one text, whose lines after the first stand under this column of it.
pub fn hanging(text: &str, columns: usize, under: usize) -> String {
    let width = |number| if number == 0 { columns } else { columns.saturating_sub(under) };
    let lines = in_widths(text, width);
    // What the first line begins with is its own.
    let line = |(number, line): (usize, &String)| match number {
        0 => line.trim_end().to_owned(),
        _ => line.trim().to_owned(),
    };
    let lines: Vec<_> = lines.iter().enumerate().map(line).collect();
    lines.join(&format!("\n{}", " ".repeat(under)))
}

/// Each line has its own width, by its number.
fn in_widths(text: &str, columns: impl Fn(usize) -> usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let columns = columns(lines.len() - 1);
        let line = lines.last_mut().filter(|line| {
            line.is_empty() || line.chars().count() + word.chars().count() < columns
        });
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The beginning of a line, as much as fits.
pub fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let mut text: String = text.chars().take(columns.saturating_sub(1)).collect();
    text.push('…');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_goes_on_below_or_is_cut() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a-long-word b", 5), ["a-long-word", "b"]);
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(
            hanging("12:00  one  two three four", 12, 7),
            "12:00  one\n       two\n       three\n       four"
        );
        assert_eq!(hanging("12:00  one", 12, 7), "12:00  one");
        assert_eq!((cut("größer", 6), cut("größer", 5)), ("größer".to_owned(), "größ…".to_owned()));
    }
}
