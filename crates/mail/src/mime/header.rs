//! Header values: parameters of Content-Type, and decoding.
