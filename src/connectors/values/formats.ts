/** Converters with which people can read what a source writes: for examples, and for forms to begin with. */

export const textKeys = { 'key.converter': 'string' }
/** Of keys that are structs; as text they would be `Struct{id=1}`. */
export const jsonKeys = { 'key.converter': 'json', 'key.converter.schemas.enable': 'false' }
/** Decimals are numbers, as nobody can tell their scale without a schema. */
export const jsonValues = {
  'value.converter': 'json',
  'value.converter.schemas.enable': 'false',
  'value.converter.decimal.format': 'NUMERIC',
}
