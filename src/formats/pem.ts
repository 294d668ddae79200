/** Keys and certificates in PEM, including what Java and Kafka accept but OpenSSL does not: text on one line, anything between the blocks. */
import type { SecureContextOptions } from 'node:tls'

export function isPem(bytes: Buffer): boolean {
  return bytes.includes('-----BEGIN ')
}

/** Each as PEM. */
export function pemCertificates(text: string): string[] {
  return pemBlocks(text, /CERTIFICATE/)
}

/** A key with its certificates. Throws Error where one is missing. */
export function pemIdentity(chain: string, key: string, passphrase: string | null): SecureContextOptions {
  const [privateKey] = pemBlocks(key, /(?:[A-Z]+ )*PRIVATE KEY/)
  const certificates = pemCertificates(chain)
  // OpenSSL takes nothing for an identity, and then fails every handshake.
  if (privateKey === undefined || certificates.length === 0) throw new Error('the PEM text must contain a private key and a certificate')
  return { cert: certificates.join('\n'), key: privateKey, ...(passphrase === null ? {} : { passphrase }) }
}

export function pemOfCertificate(der: Buffer): string {
  return unfolded(`-----BEGIN CERTIFICATE-----${der.toString('base64')}-----END CERTIFICATE-----`, 'CERTIFICATE')
}

function pemBlocks(text: string, label: RegExp): string[] {
  const blocks = new RegExp(`-----BEGIN (${label.source})-----[A-Za-z0-9+/=\\s:,-]*?-----END \\1-----`, 'g')
  // Kafka lets PEM text be written on one line, as properties files have it.
  return [...text.matchAll(blocks)].map(match => unfolded(match[0], match[1]!))
}

function unfolded(block: string, label: string): string {
  const body = block.slice(`-----BEGIN ${label}-----`.length, -`-----END ${label}-----`.length)
  // Headers of encrypted keys in the old form must keep their lines.
  if (body.includes(':')) return block
  const lines = body.replace(/\s+/g, '').replace(/.{1,64}/g, line => `${line}\n`)
  return `-----BEGIN ${label}-----\n${lines}-----END ${label}-----`
}
