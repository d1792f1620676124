//! Every error of the API is an RFC 9457 problem.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use protocol::{Code, Problem, header};

use crate::transaction::{ContradictionError, Failure};

/// A problem on its way to the caller.
#[derive(Debug)]
pub struct ApiError(Box<Problem>);

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<Box<Problem>> for ApiError {
    fn from(problem: Box<Problem>) -> Self {
        Self(problem)
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        Self(failure.problem)
    }
}

impl From<ContradictionError> for ApiError {
    fn from(error: ContradictionError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl ApiError {
    /// The request could not be understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Problem::new(Code::BadRequest, detail).into()
    }

    /// The host itself failed.
    pub fn internal(detail: impl Into<String>) -> Self {
        Problem::new(Code::Internal, detail).into()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&*self.0)).into_response();
        let kind = HeaderValue::from_static(header::PROBLEM_JSON);
        response.headers_mut().insert(CONTENT_TYPE, kind);
        if let Some(value) =
            self.0.transaction.and_then(|id| HeaderValue::from_str(id.as_str()).ok())
        {
            response.headers_mut().insert(header::TRANSACTION, value);
        }
        response
    }
}
