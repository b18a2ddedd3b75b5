//! Laws of the family itself.
