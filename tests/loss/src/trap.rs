//! The shipped module, with a worker's death written into it: the module itself has no way to be told to trap, and
//! must not have one. So its bytes are read as sections, a counter is added to its globals, and the function that
//! takes the head of an answer begins by counting, and traps at a number.

/// The function that counts: by then the request is forwarded, and its client has nothing yet.
const FUNCTION: &[u8] = b"proxy_on_response_headers";

const IMPORTS: u8 = 2;
const GLOBALS: u8 = 6;
const EXPORTS: u8 = 7;
const CODE: u8 = 10;

/// A kind of import or export.
const A_FUNCTION: u8 = 0;
const A_GLOBAL: u8 = 3;

/// This module, trapping in each machine at its `nth` head of an answer.
///
/// # Errors
/// What is missing in the module, or not understood.
pub fn trapping(module: &[u8], nth: u32) -> Result<Vec<u8>, String> {
    let mut reader = Reader(module);
    let magic = reader.take(8)?;
    let mut sections = Vec::new();
    while !reader.0.is_empty() {
        let id = reader.byte()?;
        let length = reader.number()?;
        sections.push((id, reader.take(length)?));
    }
    let of = |wanted: u8| {
        let found = sections.iter().find(|(id, _)| *id == wanted);
        found
            .map(|(_, bytes)| *bytes)
            .ok_or_else(|| format!("the module has no section {wanted}"))
    };
    let (functions, globals) = imported(of(IMPORTS)?)?;
    let exported = exported(of(EXPORTS)?)?;
    let own = exported
        .checked_sub(functions)
        .ok_or("the function is imported")?;
    let (counter, with_counter) = with_counter(of(GLOBALS)?, globals)?;
    let code = counting(of(CODE)?, own, counter, nth)?;
    let mut out = magic.to_vec();
    for (id, bytes) in &sections {
        let bytes = match *id {
            GLOBALS => &with_counter,
            CODE => &code,
            _ => *bytes,
        };
        out.push(*id);
        write(&mut out, bytes.len());
        out.extend_from_slice(bytes);
    }
    Ok(out)
}

/// How many functions and how many globals are imported: they have the first numbers.
fn imported(section: &[u8]) -> Result<(usize, usize), String> {
    let mut reader = Reader(section);
    let (mut functions, mut globals) = (0, 0);
    for _ in 0..reader.number()? {
        for _ in 0..2 {
            let length = reader.number()?;
            reader.take(length)?;
        }
        match reader.byte()? {
            A_FUNCTION => {
                reader.number()?;
                functions += 1;
            }
            A_GLOBAL => {
                reader.take(2)?;
                globals += 1;
            }
            kind => {
                return Err(format!(
                    "an import of kind {kind}, expected functions and globals"
                ));
            }
        }
    }
    Ok((functions, globals))
}

/// The number of [`FUNCTION`].
fn exported(section: &[u8]) -> Result<usize, String> {
    let mut reader = Reader(section);
    for _ in 0..reader.number()? {
        let length = reader.number()?;
        let name = reader.take(length)?;
        let kind = reader.byte()?;
        let number = reader.number()?;
        if name == FUNCTION && kind == A_FUNCTION {
            return Ok(number);
        }
    }
    Err(format!(
        "the module does not export {}",
        String::from_utf8_lossy(FUNCTION)
    ))
}

/// The number of one more global, and the section with it: a number that begins as 0 and can be changed.
fn with_counter(section: &[u8], imported: usize) -> Result<(usize, Vec<u8>), String> {
    const COUNTER: [u8; 5] = [0x7f, 0x01, 0x41, 0x00, 0x0b];
    let mut reader = Reader(section);
    let count = reader.number()?;
    let mut out = Vec::new();
    write(&mut out, count + 1);
    out.extend_from_slice(reader.0);
    out.extend_from_slice(&COUNTER);
    Ok((imported + count, out))
}

/// The section with this function counting before it does anything else.
fn counting(section: &[u8], function: usize, counter: usize, nth: u32) -> Result<Vec<u8>, String> {
    let mut reader = Reader(section);
    let count = reader.number()?;
    let mut out = Vec::new();
    write(&mut out, count);
    for number in 0..count {
        let length = reader.number()?;
        let body = reader.take(length)?;
        if number != function {
            write(&mut out, length);
            out.extend_from_slice(body);
            continue;
        }
        let mut inside = Reader(body);
        for _ in 0..inside.number()? {
            inside.number()?;
            inside.byte()?;
        }
        let locals = body.len() - inside.0.len();
        let mut own = body.get(..locals).unwrap_or_default().to_vec();
        // counter = counter + 1
        own.push(0x23);
        write(&mut own, counter);
        own.extend_from_slice(&[0x41, 0x01, 0x6a, 0x24]);
        write(&mut own, counter);
        // if counter == nth { unreachable }
        own.push(0x23);
        write(&mut own, counter);
        own.push(0x41);
        write_signed(&mut own, nth);
        own.extend_from_slice(&[0x46, 0x04, 0x40, 0x00, 0x0b]);
        own.extend_from_slice(inside.0);
        write(&mut out, own.len());
        out.extend_from_slice(&own);
    }
    Ok(out)
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, length: usize) -> Result<&'b [u8], String> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or("the module ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    /// LEB128 without a sign, of at most 32 bits.
    fn number(&mut self) -> Result<usize, String> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number of more than 32 bits".to_owned())
    }
}

fn write(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// With a sign, which is the highest bit of the last byte: it must be 0.
fn write_signed(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x40 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::trapping;

    /// One import of a function, one exported function without parameters that is empty, one global.
    fn module(name: &str) -> Vec<u8> {
        let mut out = b"\0asm\x01\0\0\0".to_vec();
        out.extend_from_slice(&[1, 4, 1, 0x60, 0, 0]);
        out.extend_from_slice(&[2, 7, 1, 1, b'e', 1, b'f', 0, 0]);
        out.extend_from_slice(&[3, 2, 1, 0]);
        out.extend_from_slice(&[6, 6, 1, 0x7f, 1, 0x41, 0, 0x0b]);
        out.extend_from_slice(&[7, 4 + name.len() as u8, 1, name.len() as u8]);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&[0, 1]);
        out.extend_from_slice(&[10, 6, 1, 4, 1, 1, 0x7f, 0x0b]);
        out
    }

    #[test]
    fn the_function_counts_and_nothing_else_is_changed() {
        let before = module("proxy_on_response_headers");
        let after = trapping(&before, 64).expect("a module");
        let globals = [6, 11, 2, 0x7f, 1, 0x41, 0, 0x0b, 0x7f, 1, 0x41, 0, 0x0b];
        let mut code = vec![10, 23, 1, 21, 1, 1, 0x7f, 0x23, 1, 0x41, 1, 0x6a, 0x24, 1];
        // The last two end the `if` and the function.
        code.extend_from_slice(&[0x23, 1, 0x41, 0xc0, 0, 0x46, 4, 0x40, 0, 0x0b, 0x0b]);
        let expected = [&before[..8 + 6 + 9 + 4], &globals].concat();
        assert!(after.starts_with(&expected), "{after:x?}");
        assert!(after.ends_with(&code), "{after:x?}");
    }

    #[test]
    fn what_is_no_such_module_is_refused() {
        let good = module("proxy_on_response_headers");
        for length in 0..good.len() {
            assert!(trapping(&good[..length], 1).is_err(), "{length}");
        }
        assert!(trapping(&module("proxy_on_tick"), 1).is_err());
    }
}
