/**
 * formats: the file formats in which Kafka users keep configuration and secrets, shared by broker and client: Java properties,
 * JAAS configurations, key and trust stores in PEM and PKCS12, and references to values that stand elsewhere.
 *
 * Takes bytes or text and returns values; opens no file but those that references name, and keeps no state. Errors never contain secrets.
 */
export { type DerValue, derChild, derChildren, derOid, derTags, readDer } from './formats/der.ts'
export { type JaasLogin, parseJaas } from './formats/jaas.ts'
export { certificatesOfStore, identityOfStore, refuseJks } from './formats/key-store.ts'
export { pemCertificates, pemIdentity } from './formats/pem.ts'
export { certificatesOfPkcs12 } from './formats/pkcs12.ts'
export { type Property, parseProperties } from './formats/properties.ts'
export { type Resolver, valueResolver } from './formats/providers.ts'
