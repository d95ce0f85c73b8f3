//! `log`: lines in the server's log, each with the plugin's name and the request's id.

use std::fmt::Write as _;

use tracing::{debug, error, info, warn};

use super::super::bindings::wit;
use super::super::guest::Guest;
use crate::limits::LOG_LINE_BYTES_MAX;
use wit::log::Level;
use wit::types::Pair;

impl wit::log::Host for Guest {
    async fn write(&mut self, level: Level, message: String, fields: Vec<Pair>) -> wasmtime::Result<()> {
        self.enter("log.write")?;
        self.log_lines = self.log_lines.saturating_add(1);
        if self.log_lines > self.identity.bounds.log_lines {
            return Ok(());
        }
        let line = line(&message, &fields);
        let (plugin, request_id) = (self.identity.name(), &*self.occasion.request_id);
        match level {
            Level::Debug => {
                debug!(target: "guest", { plugin.name = plugin, request.id = request_id }, "{plugin}: {line}")
            }
            Level::Info => {
                info!(target: "guest", { plugin.name = plugin, request.id = request_id }, "{plugin}: {line}")
            }
            Level::Warn => {
                warn!(target: "guest", { plugin.name = plugin, request.id = request_id }, "{plugin}: {line}")
            }
            Level::Error => {
                error!(target: "guest", { plugin.name = plugin, request.id = request_id }, "{plugin}: {line}")
            }
        }
        Ok(())
    }
}

impl Guest {
    /// Says how many lines were counted but not kept. Called once, when the call is over.
    pub(in super::super) fn close_log(&self) {
        let dropped = self.log_lines.saturating_sub(self.identity.bounds.log_lines);
        if dropped > 0 {
            let (plugin, request_id) = (self.identity.name(), &*self.occasion.request_id);
            warn!(
                plugin.name = plugin,
                request.id = request_id,
                dropped,
                "{plugin}: {dropped} more lines were not kept"
            );
        }
    }
}

/// Message and fields on one line, cut to its limit. A guest cannot begin a line of its own.
fn line(message: &str, fields: &[Pair]) -> String {
    let mut line = String::with_capacity(message.len().min(LOG_LINE_BYTES_MAX));
    push(&mut line, message);
    for field in fields {
        if line.len() >= LOG_LINE_BYTES_MAX {
            break;
        }
        line.push(' ');
        push(&mut line, &field.name);
        line.push('=');
        push(&mut line, &field.value);
    }
    if line.len() > LOG_LINE_BYTES_MAX {
        line.truncate(line.floor_char_boundary(LOG_LINE_BYTES_MAX));
        line.push('…');
    }
    line
}

fn push(line: &mut String, text: &str) {
    for c in text.chars() {
        if line.len() > LOG_LINE_BYTES_MAX {
            return;
        }
        match c.is_control() {
            true => {
                let _ = write!(line, "{}", c.escape_default());
            }
            false => line.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> Pair {
        Pair { name: name.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn message_and_fields_share_a_line() {
        assert_eq!(line("moved", &[pair("from", "a"), pair("to", "b")]), "moved from=a to=b");
    }

    #[test]
    fn a_guest_cannot_begin_a_line_of_its_own() {
        assert_eq!(line("a\nERROR b\r\u{1b}[31m", &[]), "a\\nERROR b\\r\\u{1b}[31m");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let cut = line(&"ü".repeat(LOG_LINE_BYTES_MAX), &[pair("k", "v")]);

        assert!(cut.len() <= LOG_LINE_BYTES_MAX + '…'.len_utf8());
        assert!(cut.ends_with('…'));
    }
}
