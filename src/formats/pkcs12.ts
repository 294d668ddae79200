/**
 * The certificates in a PKCS12 store (RFC 7292). OpenSSL, and so Node, reads only stores that contain a key; a trust store contains none.
 *
 * Only PBES2 with AES is decrypted, which Java (since 8u301 and 11.0.12) and OpenSSL 3 write. For older ciphers the error shows how to convert.
 */
import { createDecipheriv, pbkdf2Sync } from 'node:crypto'
import { BadDer, type DerValue, derChild, derChildren, derInteger, derOid, derTags, readDer } from './der.ts'

const data = '1.2.840.113549.1.7.1'
const encryptedData = '1.2.840.113549.1.7.6'
const certificateBag = '1.2.840.113549.1.12.10.1.3'
const x509Certificate = '1.2.840.113549.1.9.22.1'
const pbes2 = '1.2.840.113549.1.5.13'
const pbkdf2 = '1.2.840.113549.1.5.12'

const ciphers: Readonly<Record<string, { name: string; keyBytes: number }>> = {
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyBytes: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyBytes: 24 },
  '2.16.840.1.101.3.4.1.42': { name: 'aes-256-cbc', keyBytes: 32 },
}
const hashes: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
}
const mostIterations = 10_000_000

/** DER of each certificate. Throws Error if it is not a store, or the password is wrong. */
export function certificatesOfPkcs12(store: Buffer, password: string): Buffer[] {
  const content = derChild(readDer(store), 1, derTags.sequence)
  const certificates: Buffer[] = []
  for (const info of derChildren(readDer(contentOf(content, data).content))) {
    const type = derOid(derChild(info, 0))
    if (type === data) collect(readDer(contentOf(info, data).content), certificates)
    else if (type === encryptedData) unlock(derChild(info, 1, derTags.context0), password, certificates)
  }
  return certificates
}

function contentOf(info: DerValue, type: string): DerValue {
  if (derOid(derChild(info, 0)) !== type) throw new BadDer('content of another type')
  return derChild(derChild(info, 1, derTags.context0), 0, derTags.octets)
}

function collect(bags: DerValue, certificates: Buffer[]): void {
  for (const bag of derChildren(bags)) {
    if (derOid(derChild(bag, 0)) !== certificateBag) continue
    const certificate = derChild(derChild(bag, 1, derTags.context0), 0, derTags.sequence)
    if (derOid(derChild(certificate, 0)) !== x509Certificate) continue
    certificates.push(derChild(derChild(certificate, 1, derTags.context0), 0, derTags.octets).content)
  }
}

function unlock(explicit: DerValue, password: string, certificates: Buffer[]): void {
  const info = derChild(derChild(explicit, 0, derTags.sequence), 1, derTags.sequence)
  const algorithm = derChild(info, 1, derTags.sequence)
  if (derOid(derChild(algorithm, 0)) !== pbes2) {
    throw new Error(
      'it is encrypted with an outdated cipher; convert it: openssl pkcs12 -legacy -in OLD -out all.pem && openssl pkcs12 -export -in all.pem -out NEW',
    )
  }
  const parameters = derChild(algorithm, 1, derTags.sequence)
  const encryption = derChild(parameters, 1, derTags.sequence)
  const cipher = ciphers[derOid(derChild(encryption, 0))]
  if (cipher === undefined) throw new Error('its cipher is not supported; only AES is')
  const key = derivedKey(derChild(parameters, 0, derTags.sequence), password, cipher.keyBytes)
  const decipher = createDecipheriv(cipher.name, key, derChild(encryption, 1, derTags.octets).content)
  const bytes = derChild(info, 2, derTags.context0Primitive).content
  try {
    // Another password mostly shows as wrong padding, and sometimes as nonsense.
    collect(readDer(Buffer.concat([decipher.update(bytes), decipher.final()])), certificates)
  } catch (error) {
    throw new Error('keystore password was incorrect', { cause: error })
  }
}

function derivedKey(derivation: DerValue, password: string, keyBytes: number): Buffer {
  if (derOid(derChild(derivation, 0)) !== pbkdf2) throw new Error('its key derivation is not supported; only PBKDF2 is')
  const [salt, iterations, ...more] = derChildren(derChild(derivation, 1, derTags.sequence))
  if (salt?.tag !== derTags.octets || iterations === undefined) throw new BadDer('PBKDF2 without salt or iterations')
  const rounds = derInteger(iterations)
  if (rounds < 1 || rounds > mostIterations)
    throw new Error(`it uses ${rounds} PBKDF2 iterations; from 1 to ${mostIterations} are supported`)
  const pseudoRandom = more.find(value => value.tag === derTags.sequence)
  const hash = pseudoRandom === undefined ? 'sha1' : hashes[derOid(derChild(pseudoRandom, 0))]
  if (hash === undefined) throw new Error('its hash is not supported')
  return pbkdf2Sync(password, salt.content, rounds, keyBytes, hash)
}
