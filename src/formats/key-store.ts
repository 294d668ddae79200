/** Files with keys and certificates: PEM or PKCS12, detected by the first bytes, because Java opens them under any `type`. Not Java's own JKS. */
import type { SecureContextOptions } from 'node:tls'
import { isPem, pemCertificates, pemIdentity, pemOfCertificate } from './pem.ts'
import { certificatesOfPkcs12 } from './pkcs12.ts'

const jksMagic = 0xfeedfeed

/** Throws Error with the command that converts it. */
export function refuseJks(store: Buffer, path: string): void {
  if (store.length < 4 || store.readUInt32BE() !== jksMagic) return
  const convert = `keytool -importkeystore -srckeystore ${path} -destkeystore ${path}.p12 -deststoretype PKCS12`
  throw new Error(`${path} is in Java's own format JKS; convert it to PKCS12: ${convert}`)
}

/** The certificates of a trust store, each as PEM. Throws Error if it is not a store, has none, or the password is wrong. */
export function certificatesOfStore(store: Buffer, password: string | null): string[] {
  const found = isPem(store) ? pemCertificates(store.toString('latin1')) : certificatesOfPkcs12(store, password ?? '').map(pemOfCertificate)
  if (found.length === 0) throw new Error('it contains no certificate')
  return found
}

/** The key and certificates of a key store. That a PKCS12 store can be opened is seen when it is used. */
export function identityOfStore(store: Buffer, storePassword: string | null, keyPassword: string | null): SecureContextOptions {
  if (!isPem(store)) return { pfx: store, ...(storePassword === null ? {} : { passphrase: storePassword }) }
  const text = store.toString('latin1')
  return pemIdentity(text, text, keyPassword)
}
