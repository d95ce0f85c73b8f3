//! Guests for the tests: each is an example of this package, compiled to a component of its own.
//!
//! Some do what real rules do, so that a test can watch it from outside; the others do what no
//! rule should, so that a test can watch the host hold. `README.md` lists them.
