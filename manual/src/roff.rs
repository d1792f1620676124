//! Text in the language of man(7), in which `\` begins an escape and a line that begins with `.` or `'` is a request.

/// A text without escapes; `-` stays what it is where it is copied.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// Lines of which none is a request.
pub(crate) fn guarded(text: &str) -> String {
    let guard = |line: &str| match line.as_bytes().first() {
        Some(b'\'') => format!("\\&{line}"),
        Some(b'.') if line != ".br" => format!("\\&{line}"),
        _ => line.to_owned(),
    };
    text.lines().map(guard).collect::<Vec<_>>().join("\n")
}

/// One word of a request.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\\(dq"))
}
