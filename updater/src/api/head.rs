//! The head of a request: how long it may be, and how its body may be sent.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::TRANSFER_ENCODING;
use http::request::Parts;
use protocol::{Code, Problem, header};

use crate::api::ApiError;
use crate::api::headers::only;

/// Bytes of a head. The parser has room for more, depending on the pieces in which it comes.
const HEAD_BYTES: usize = 64 << 10;

/// Refuses a head before anything else is looked at.
pub(super) async fn check(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match checked(&parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(error) => error.into_response(),
    }
}

/// What is answered where the parser itself refuses a head.
pub fn refusal(status: StatusCode) -> (&'static str, Vec<u8>) {
    let problem = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => too_large(),
        _ => Problem::new(Code::BadRequest, "the head of the request is no HTTP/1.1"),
    };
    (header::PROBLEM_JSON, serde_json::to_vec(&problem).unwrap_or_default())
}

fn checked(parts: &Parts) -> Result<(), ApiError> {
    let line = parts.method.as_str().len() + parts.uri.to_string().len() + "  HTTP/1.1\r\n".len();
    let lines = parts.headers.iter();
    let lines = lines.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    if line + lines.sum::<usize>() + "\r\n".len() > HEAD_BYTES {
        return Err(too_large().into());
    }
    match only(&parts.headers, TRANSFER_ENCODING.as_str())? {
        Some(coding) if !coding.trim().eq_ignore_ascii_case("chunked") => {
            let detail =
                format!("the transfer encoding {coding:?} is not taken, but chunked alone");
            Err(ApiError::bad_request(detail))
        }
        _ => Ok(()),
    }
}

fn too_large() -> Problem {
    let detail = format!("the head of the request has over {HEAD_BYTES} bytes, or 100 headers");
    Problem::new(Code::HeadTooLarge, detail)
}

#[cfg(test)]
mod tests {
    use http::Request as HttpRequest;

    use super::*;

    fn check_of(name: &str, value: &str) -> Result<(), ApiError> {
        let request = HttpRequest::get("/health").header(name, value).body(()).unwrap();
        checked(&request.into_parts().0)
    }

    #[test]
    fn a_head_has_one_bound_and_a_body_one_coding() {
        assert!(check_of("x", &"y".repeat(HEAD_BYTES - 100)).is_ok());
        assert!(check_of("x", &"y".repeat(HEAD_BYTES)).is_err());
        assert!(check_of("transfer-encoding", "Chunked").is_ok());
        assert!(check_of("transfer-encoding", "gzip, chunked").is_err());
        assert!(check_of("transfer-encoding", "chunked, chunked").is_err());
    }
}
