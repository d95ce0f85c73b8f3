//! `directory-write`: changes of the directory, through the same pipeline as any client's.

use super::super::bindings::wit;
use super::super::guest::Guest;
use wit::directory_write::{Error, Request};

impl wit::directory_write::Host for Guest {
    async fn apply(&mut self, request: Request) -> wasmtime::Result<Result<Option<String>, Error>> {
        self.enter("directory-write.apply")?;
        let _ = request;
        Ok(Err(Error::Unavailable("not on this server".to_owned())))
    }
}
