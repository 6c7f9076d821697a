//! Hostile bytes in, kind and members out, within limits. Knows nothing of mail.
#![forbid(unsafe_code)]
