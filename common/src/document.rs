//! How documents are written as JSON for programs: times to the second, as jq's `fromdate` reads them, and
//! the version beside the digest of a release.
//!
//! What is stored, and what goes between master and updater, is written without this: there, times are exact.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Result;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// The keys that name a release by its digest. Beside each stands its version, as `to_version` beside `to`.
const RELEASE_KEYS: [&str; 6] = ["release", "from", "to", "target", "prev", "desired"];

/// A document in many lines. `version_of` knows the versions of releases by their digests.
pub fn pretty_document(
    document: &impl Serialize,
    version_of: &dyn Fn(&str) -> Option<String>,
) -> Result<String> {
    written(document, PrettyFormatter::new(), version_of)
}

/// A document on one line.
pub fn document_line(
    document: &impl Serialize,
    version_of: &dyn Fn(&str) -> Option<String>,
) -> Result<String> {
    written(document, CompactFormatter, version_of)
}

fn written(
    document: &impl Serialize,
    layout: impl Formatter,
    version_of: &dyn Fn(&str) -> Option<String>,
) -> Result<String> {
    let formatter = DocumentFormatter {
        layout,
        version_of,
        place: Place::Elsewhere,
        text: Vec::new(),
        key: Vec::new(),
    };
    let mut bytes = Vec::new();
    document.serialize(&mut Serializer::with_formatter(&mut bytes, formatter))?;
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

/// Where the next string stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Key,
    /// It is the value of a key.
    Value,
    Elsewhere,
}

struct DocumentFormatter<'a, F> {
    layout: F,
    version_of: &'a dyn Fn(&str) -> Option<String>,
    place: Place,
    /// The last string, as it is escaped.
    text: Vec<u8>,
    /// The last key.
    key: Vec<u8>,
}

impl<F: Formatter> DocumentFormatter<'_, F> {
    /// The version of the release that was just named, and the key that it gets.
    fn version(&self) -> Option<(String, String)> {
        let key = str::from_utf8(&self.key).ok().filter(|key| RELEASE_KEYS.contains(key))?;
        let version = (self.version_of)(str::from_utf8(&self.text).ok()?)?;
        Some((format!("{key}_version"), version))
    }
}

impl<F: Formatter> Formatter for DocumentFormatter<'_, F> {
    // A string is held back until it is whole.
    fn begin_string<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.text.clear();
        Ok(())
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        _: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        self.text.extend_from_slice(fragment.as_bytes());
        Ok(())
    }

    fn write_char_escape<W: ?Sized + Write>(
        &mut self,
        _: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        self.layout.write_char_escape(&mut self.text, escape)
    }

    fn end_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.place == Place::Key {
            self.key.clone_from(&self.text);
        } else {
            to_the_second(&mut self.text);
        }
        writer.write_all(b"\"")?;
        writer.write_all(&self.text)?;
        writer.write_all(b"\"")
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.place = Place::Elsewhere;
        self.layout.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.layout.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.place = Place::Elsewhere;
        self.layout.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.place = Place::Key;
        self.layout.begin_object_key(writer, first)
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.end_object_key(writer)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.place = Place::Value;
        self.text.clear();
        self.layout.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.end_object_value(writer)?;
        if self.place != Place::Value {
            return Ok(());
        }
        self.place = Place::Elsewhere;
        let Some((key, version)) = self.version() else { return Ok(()) };
        self.layout.begin_object_key(writer, false)?;
        serde_json::to_writer(&mut *writer, &key)?;
        self.layout.end_object_key(writer)?;
        self.layout.begin_object_value(writer)?;
        serde_json::to_writer(&mut *writer, &version)?;
        self.layout.end_object_value(writer)
    }
}

/// `2026-01-02T03:04:05.678Z` becomes `2026-01-02T03:04:05Z`; any other text stays.
fn to_the_second(text: &mut Vec<u8>) {
    const SECONDS: &[u8] = b"0000-00-00T00:00:00";
    let is_time = text.len() > SECONDS.len()
        && SECONDS.iter().zip(&*text).all(|(form, byte)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => form == byte,
        });
    let fraction = text.get(SECONDS.len()..).unwrap_or_default();
    if let [b'.', digits @ .., b'Z'] = fraction
        && is_time
        && digits.iter().all(u8::is_ascii_digit)
    {
        text.truncate(SECONDS.len());
        text.push(b'Z');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn version_of(digest: &str) -> Option<String> {
        (digest == "sha256:1").then(|| "1.0 \"x\"".to_owned())
    }

    fn shown(document: &Value) -> Value {
        let line = document_line(document, &version_of).unwrap();
        assert!(!line.contains('\n'), "{line}");
        let read: Value = serde_json::from_str(&line).unwrap();
        let pretty = pretty_document(document, &version_of).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&pretty).unwrap(), read);
        read
    }

    #[test]
    fn times_are_told_to_the_second_and_no_other_text_is_cut() {
        let kept = json!([
            "2026-01-02T03:04:05Z",
            "at 2026-01-02T03:04:05.6Z",
            "2026-01-02T03:04:05.x6Z",
            "1.5Z"
        ]);
        assert_eq!(shown(&kept), kept);
        let fine =
            json!({"since": "2026-01-02T03:04:05.678901234Z", "all": ["2026-01-02T03:04:05.6Z"]});
        assert_eq!(
            shown(&fine),
            json!({"since": "2026-01-02T03:04:05Z", "all": ["2026-01-02T03:04:05Z"]})
        );
    }

    #[test]
    fn a_version_stands_beside_the_digest_of_its_release() {
        let document = json!({
            "from": "sha256:1", "to": "sha256:2", "target": null, "plan": "sha256:1",
            "data": {"release": "sha256:1", "hosts": [{"to": "sha256:1"}, "sha256:1"], "x": {}},
        });
        assert_eq!(
            shown(&document),
            json!({
                "from": "sha256:1", "from_version": "1.0 \"x\"", "to": "sha256:2", "target": null,
                "plan": "sha256:1",
                "data": {
                    "release": "sha256:1", "release_version": "1.0 \"x\"",
                    "hosts": [{"to": "sha256:1", "to_version": "1.0 \"x\""}, "sha256:1"], "x": {},
                },
            })
        );
    }

    #[test]
    fn any_text_is_written_as_it_is() {
        let texts = json!({"a\"\n\u{1}": ["größer 🦀", "\\", "\u{7f}\t"], "": "", "n": [1, 2.5, true, null]});
        assert_eq!(shown(&texts), texts);
        let pretty = pretty_document(&json!({"a": [1], "b": {}}), &version_of).unwrap();
        assert_eq!(pretty, serde_json::to_string_pretty(&json!({"a": [1], "b": {}})).unwrap());
    }
}
