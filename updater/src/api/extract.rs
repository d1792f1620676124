//! What handlers take out of a request, with our own kind of error.

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use protocol::{Code, Problem};
use serde::de::DeserializeOwned;

use crate::api::ApiError;
use crate::server::Caller;

/// Query parameters as `T` has them; others are errors.
#[derive(Debug)]
pub(crate) struct ApiQuery<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Query::<T>::try_from_uri(&parts.uri)
            .map(|Query(asked)| Self(asked))
            .map_err(|error| ApiError::bad_request(format!("the query: {}", error.body_text())))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            Problem::new(Code::RoleForbidden, "this connection has no certificate").into()
        })
    }
}
