/** Numbers that a document carries as base64 of their little-endian bytes. */

const WIDTHS = { u8: 1, u16: 2, u32: 4, f32: 4, f64: 8 } as const;

/** The numbers of `TYPE:BASE64`. */
export function unpack(text: string): Float64Array {
  const colon = text.indexOf(":");
  const type = text.slice(0, colon) as keyof typeof WIDTHS;
  const raw = atob(text.slice(colon + 1));
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  const view = new DataView(bytes.buffer);
  const width = WIDTHS[type];
  const out = new Float64Array(raw.length / width);
  const read: Record<keyof typeof WIDTHS, (at: number) => number> = {
    u8: (at) => bytes[at]!,
    u16: (at) => view.getUint16(at, true),
    u32: (at) => view.getUint32(at, true),
    f32: (at) => view.getFloat32(at, true),
    f64: (at) => view.getFloat64(at, true),
  };
  const one = read[type];
  for (let i = 0; i < out.length; i++) out[i] = one(i * width);
  return out;
}
