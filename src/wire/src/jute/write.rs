use super::text;

/// Appends jute values to a byte vector.
///
/// A buffer, string or vector of more than 2^31-1 bytes or items has no encoding. Its length is
/// written as 2^31-1, and whoever sends it has to bound the message it is in, as
/// [`frame_within`](crate::frame::frame_within) does: writing never fails.
pub trait Writer {
    /// One byte, 0 or 1.
    fn bool(&mut self, value: bool);
    /// Four bytes, big-endian.
    fn i32(&mut self, value: i32);
    /// Eight bytes, big-endian.
    fn i64(&mut self, value: i64);
    /// The count of a vector; the items follow.
    fn count(&mut self, items: usize);
    /// Length and bytes; `None` is null.
    fn buffer(&mut self, value: Option<&[u8]>);
    /// Length and text, as [`text::encode`] writes it.
    fn str(&mut self, value: &str);
    /// As [`Writer::str`]; `None` is null.
    fn nullable_str(&mut self, value: Option<&str>);
    /// A buffer whose bytes `body` appends, for lengths that are known only afterwards.
    fn nested(&mut self, body: impl FnOnce(&mut Self));
}

impl Writer for Vec<u8> {
    #[inline]
    fn bool(&mut self, value: bool) {
        self.push(u8::from(value));
    }

    #[inline]
    fn i32(&mut self, value: i32) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    fn i64(&mut self, value: i64) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    fn count(&mut self, items: usize) {
        self.i32(encodable(items));
    }

    #[inline]
    fn buffer(&mut self, value: Option<&[u8]>) {
        match value {
            Some(bytes) => {
                self.count(bytes.len());
                self.extend_from_slice(bytes);
            }
            None => self.i32(-1),
        }
    }

    #[inline]
    fn str(&mut self, value: &str) {
        self.nested(|out| text::encode(value, out));
    }

    #[inline]
    fn nullable_str(&mut self, value: Option<&str>) {
        match value {
            Some(value) => self.str(value),
            None => self.i32(-1),
        }
    }

    #[inline]
    fn nested(&mut self, body: impl FnOnce(&mut Self)) {
        let head = self.len();
        self.i32(0);
        body(self);
        let length = encodable(self.len() - head - 4);
        self[head..head + 4].copy_from_slice(&length.to_be_bytes());
    }
}

#[inline]
fn encodable(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}
