//! Work that waits for the disk or for another program. The threads that answer must never do any:
//! there are few of them, and `/health` needs one whatever the disk does.

use crate::api::ApiError;

/// Does it on a thread that may wait.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ApiError::internal(error.to_string())))
}
