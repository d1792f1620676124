//! Headers that may stand once. Of two, one reader believes the first and the next one the last: an
//! order must not mean what depends on that.

use http::HeaderMap;

use crate::api::ApiError;

/// The header's text; nothing if it is not there.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::bad_request(format!("the header {name} may stand only once")));
    }
    let text = value.to_str();
    let text = text.map_err(|_| ApiError::bad_request(format!("the header {name} is not ASCII")));
    text.map(Some)
}

/// The header's number, in digits and nothing else.
pub(super) fn number(headers: &HeaderMap, name: &str) -> Result<Option<u64>, ApiError> {
    let Some(text) = only(headers, name)? else { return Ok(None) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    let number = number.ok_or_else(|| {
        ApiError::bad_request(format!("the header {name} is not a number: {text:?}"))
    });
    number.map(Some)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("swarm-epoch", HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn of_two_headers_neither_counts() {
        assert_eq!(only(&headers(&[]), "swarm-epoch").unwrap(), None);
        assert_eq!(only(&headers(&["7"]), "swarm-epoch").unwrap(), Some("7"));
        assert!(only(&headers(&["7", "7"]), "swarm-epoch").is_err());
    }

    #[test]
    fn a_number_is_digits() {
        assert_eq!(number(&headers(&["7"]), "swarm-epoch").unwrap(), Some(7));
        for bad in ["+1", "-1", "", "1 ", "0x1", "18446744073709551616"] {
            assert!(number(&headers(&[bad]), "swarm-epoch").is_err(), "{bad}");
        }
    }
}
