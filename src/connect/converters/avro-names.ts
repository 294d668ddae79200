/** Names of Confluent's AvroData: parameters that keep what Kafka Connect has no words for, and names that Avro allows. */

export const namespace = 'io.confluent.connect.avro'
export const defaultName = 'ConnectDefault'
export const anything = `${namespace}.Anything`
export const mapEntry = 'MapEntry'
export const recordDoc = `${namespace}.record.doc`
export const fieldDoc = `${namespace}.field.doc.`
export const fieldDefault = `${namespace}.field.default`
export const enumDoc = `${namespace}.enum.doc.`
export const enumDefault = `${namespace}.enum.default.`
export const unionName = `${namespace}.Union`
export const enumName = `${namespace}.Enum`
export const fixedSize = 'connect.fixed.size'
export const precision = 'connect.decimal.precision'
export const defaultPrecision = 64

export interface AvroRules {
  readonly enhanced: boolean
  readonly metadata: boolean
  readonly generalSums: boolean
  readonly ignoreDefaults: boolean
  readonly scrub: boolean
  readonly discardDocs: boolean
  readonly optionalMapKeys: boolean
  readonly flattenUnions: boolean
}

/** Characters that Avro does not allow become underscores, after URL encoding. */
export function scrubbed(name: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || name === '') return name
  const encoded = encodeURIComponent(name).replaceAll('%20', '+')
  return `${/^[0-9]/.test(encoded) ? 'x' : ''}${encoded}`.replace(/[^A-Za-z0-9_]/g, '_')
}

export function splitName(full: string, scrub: boolean): { namespace: string | null; name: string } {
  const parts = full.split('.').map(part => (scrub ? scrubbed(part) : part))
  const name = parts.pop()!
  return { namespace: parts.length === 0 ? null : parts.join('.'), name }
}
