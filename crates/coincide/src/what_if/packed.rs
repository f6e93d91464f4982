//! Long lists of numbers as text: the name of their type, a colon, and base64 of their little-endian bytes.

use data_encoding::BASE64;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Numbers of one type, for documents in which a list of decimal digits would be many times as long.
///
/// ```
/// use coincide::Packed;
/// let p = Packed::whole([1.0, 300.0].into_iter());
/// assert_eq!(serde_json::to_string(&p).unwrap(), "\"u16:AQAsAQ==\"");
/// assert_eq!(serde_json::from_str::<Packed>("\"u16:AQAsAQ==\"").unwrap().numbers(), [1.0, 300.0]);
/// assert!(serde_json::from_str::<Packed>("\"u16:AQ==\"").is_err());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Packed {
    /// Whole numbers to 255.
    U8(Vec<u8>),
    /// Whole numbers to 65,535.
    U16(Vec<u16>),
    /// Whole numbers to 2³² − 1.
    U32(Vec<u32>),
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
}

impl Packed {
    /// The narrowest type that holds these numbers exactly.
    pub fn whole(list: impl Iterator<Item = f64>) -> Packed {
        let list: Vec<f64> = list.collect();
        let most = list.iter().copied().fold(0.0, f64::max);
        match list.iter().all(|x| x.fract() == 0.0 && *x >= 0.0) {
            true if most <= 255.0 => Packed::U8(list.iter().map(|&x| x as u8).collect()),
            true if most <= 65_535.0 => Packed::U16(list.iter().map(|&x| x as u16).collect()),
            true if most < 4_294_967_296.0 => Packed::U32(list.iter().map(|&x| x as u32).collect()),
            _ => Packed::F64(list),
        }
    }
    /// The numbers.
    pub fn numbers(&self) -> Vec<f64> {
        match self {
            Packed::U8(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Packed::U16(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Packed::U32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Packed::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Packed::F64(v) => v.clone(),
        }
    }
}

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let (name, bytes): (&str, Vec<u8>) = match self {
            Packed::U8(v) => ("u8", v.clone()),
            Packed::U16(v) => ("u16", v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            Packed::U32(v) => ("u32", v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            Packed::F32(v) => ("f32", v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            Packed::F64(v) => ("f64", v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        };
        s.serialize_str(&format!("{name}:{}", BASE64.encode(&bytes)))
    }
}

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        fn chunks<const N: usize, T>(bytes: &[u8], of: impl Fn([u8; N]) -> T) -> Option<Vec<T>> {
            let (whole, rest) = bytes.as_chunks::<N>();
            rest.is_empty().then(|| whole.iter().map(|c| of(*c)).collect())
        }
        let text = String::deserialize(d)?;
        let (name, code) = text.split_once(':').ok_or_else(|| D::Error::custom("expected TYPE:BASE64"))?;
        let bytes = BASE64.decode(code.as_bytes()).map_err(D::Error::custom)?;
        match name {
            "u8" => Some(Packed::U8(bytes)),
            "u16" => chunks(&bytes, u16::from_le_bytes).map(Packed::U16),
            "u32" => chunks(&bytes, u32::from_le_bytes).map(Packed::U32),
            "f32" => chunks(&bytes, f32::from_le_bytes).map(Packed::F32),
            "f64" => chunks(&bytes, f64::from_le_bytes).map(Packed::F64),
            _ => return Err(D::Error::custom(format!("`{name}` is none of u8, u16, u32, f32, f64"))),
        }
        .ok_or_else(|| D::Error::custom(format!("the bytes are no whole number of {name}")))
    }
}

impl JsonSchema for Packed {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Packed".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Numbers as text: u8, u16, u32, f32 or f64, a colon, and base64 of their little-endian bytes.",
            "type": "string",
            "pattern": "^(u8|u16|u32|f32|f64):[A-Za-z0-9+/]*=*$"
        })
    }
}
