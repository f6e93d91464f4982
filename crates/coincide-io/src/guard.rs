//! A fence around other people's decoders. On hostile Parquet or Arrow bytes they panic instead of returning an error; behind
//! this fence that becomes an error, and nothing is printed. Only calls into a decoder go through it, never our own code.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static FENCED: Cell<bool> = const { Cell::new(false) };
}

/// What a decoder's panic said.
pub(crate) struct Panicked(pub String);

/// Calls a decoder; a panic inside becomes `Err`.
pub(crate) fn fenced<T>(decode: impl FnOnce() -> T) -> Result<T, Panicked> {
    static QUIET: Once = Once::new();
    // The panic hook prints before the panic is caught: a hook in front of it keeps quiet inside the fence.
    QUIET.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !FENCED.get() {
                usual(info);
            }
        }));
    });
    let before = FENCED.replace(true);
    // The decoder is dropped after a panic, so nobody sees its broken state.
    let result = catch_unwind(AssertUnwindSafe(decode));
    FENCED.set(before);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned().or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Panicked(text.unwrap_or_else(|| "the decoder gave up".into()))
    })
}
