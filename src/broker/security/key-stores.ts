/**
 * What a TLS listener's configuration says, read from its key and trust stores: PEM (files or text) and PKCS12.
 *
 * Java's own JKS is refused with the command that converts it. Kafka's default type is JKS, with which Java also opens PKCS12 files; so
 * a file is judged by its first bytes.
 */
import type { SecureContextOptions } from 'node:tls'
import type { FileSystem } from '../../base.ts'
import { type BrokerConfig, type BrokerKey, badListenerValue, type Listener, listenerValue } from '../config.ts'
import { certificatesOfPkcs12 } from './pkcs12.ts'

export interface TlsSettings {
  context: SecureContextOptions
  clientAuth: 'required' | 'requested' | 'none'
  /** Everything that was read from files; another value means that something changed. */
  files: ReadonlyMap<string, Buffer>
}

/** Throws InvalidConfig, naming the key. */
export function readTlsSettings(config: BrokerConfig, listener: Listener, disk: FileSystem): TlsSettings {
  return new Reader(config, listener, disk).read()
}

const jksMagic = 0xfeedfeed
const protocols = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const
/** Older ones are broken, whatever was configured. */
const oldest = 2

class Reader {
  readonly #config: BrokerConfig
  readonly #listener: Listener
  readonly #disk: FileSystem
  readonly #files = new Map<string, Buffer>()

  constructor(config: BrokerConfig, listener: Listener, disk: FileSystem) {
    this.#config = config
    this.#listener = listener
    this.#disk = disk
  }

  read(): TlsSettings {
    const clientAuth = this.#clientAuth()
    const ca = this.#trusted()
    if (clientAuth !== 'none' && ca === null) {
      throw this.#bad('ssl.truststore.location', `ssl.client.auth=${clientAuth} needs to know whom to trust`)
    }
    const context = { ...this.#identity(), ...(ca === null ? {} : { ca }), ...this.#versions() }
    const ciphers = this.#value('ssl.cipher.suites')
    if (ciphers.length > 0) Object.assign(context, { ciphers: ciphers.map(opensslCipher).join(':') })
    return { context, clientAuth, files: this.#files }
  }

  /** Certificates are not asked for beside SASL unless the listener itself says so, as in Kafka. */
  #clientAuth(): TlsSettings['clientAuth'] {
    if (this.#listener.protocol !== 'SASL_SSL') return this.#value('ssl.client.auth')
    const own = this.#config.text(`listener.name.${this.#listener.name.toLowerCase()}.ssl.client.auth`)
    const given = this.#config.layers(`listener.name.${this.#listener.name.toLowerCase()}.ssl.client.auth`)
    return own !== null && given[0]?.source !== 'DEFAULT_CONFIG' ? this.#value('ssl.client.auth') : 'none'
  }

  #identity(): SecureContextOptions {
    const keyPassword = this.#value('ssl.key.password')
    const chain = this.#value('ssl.keystore.certificate.chain')
    const key = this.#value('ssl.keystore.key')
    if (chain !== null && key !== null) return this.#pem('ssl.keystore.key', chain, key, keyPassword)
    const location = this.#value('ssl.keystore.location')
    if (location === null) {
      throw this.#bad('ssl.keystore.location', 'a TLS listener needs a key store (or ssl.keystore.certificate.chain and ssl.keystore.key)')
    }
    const store = this.#file('ssl.keystore.location', location)
    if (isPem(store)) {
      const text = store.toString('latin1')
      return this.#pem('ssl.keystore.location', text, text, keyPassword)
    }
    const password = this.#value('ssl.keystore.password')
    return { pfx: store, ...(password === null ? {} : { passphrase: password }) }
  }

  #pem(name: BrokerKey, chain: string, key: string, password: string | null): SecureContextOptions {
    try {
      return pemIdentity(chain, key, password)
    } catch (error) {
      throw this.#bad(name, (error as Error).message)
    }
  }

  /** null: nobody is configured. */
  #trusted(): string[] | null {
    const text = this.#value('ssl.truststore.certificates')
    if (text !== null) return this.#pemCertificates('ssl.truststore.certificates', text)
    const location = this.#value('ssl.truststore.location')
    if (location === null) return null
    const store = this.#file('ssl.truststore.location', location)
    if (isPem(store)) return this.#pemCertificates('ssl.truststore.location', store.toString('latin1'))
    try {
      const certificates = certificatesOfPkcs12(store, this.#value('ssl.truststore.password') ?? '')
      if (certificates.length === 0) throw new Error('it holds no certificate')
      return certificates.map(toPem)
    } catch (error) {
      throw this.#bad('ssl.truststore.location', `${location}: ${(error as Error).message}`)
    }
  }

  #pemCertificates(key: BrokerKey, text: string): string[] {
    const certificates = pemBlocks(text, /CERTIFICATE/)
    if (certificates.length === 0) throw this.#bad(key, 'it holds no certificate')
    return certificates
  }

  #versions(): SecureContextOptions {
    const names = this.#value('ssl.enabled.protocols')
    const indexes = names.map(name => protocols.indexOf(name as (typeof protocols)[number])).filter(index => index >= oldest)
    if (indexes.length === 0) throw this.#bad('ssl.enabled.protocols', `${names.join(',')} has neither TLSv1.2 nor TLSv1.3`)
    return { minVersion: protocols[Math.min(...indexes)]!, maxVersion: protocols[Math.max(...indexes)]! }
  }

  #file(key: BrokerKey, path: string): Buffer {
    const bytes = this.#disk.readFile(path)
    if (bytes === null) throw this.#bad(key, `there is no file ${path}`)
    if (bytes.length >= 4 && bytes.readUInt32BE() === jksMagic) {
      const convert = `keytool -importkeystore -srckeystore ${path} -destkeystore ${path}.p12 -deststoretype PKCS12`
      throw this.#bad(key, `${path} is in Java's own format JKS; convert it to PKCS12: ${convert}`)
    }
    this.#files.set(path, bytes)
    return bytes
  }

  #value<K extends BrokerKey>(key: K) {
    return listenerValue(this.#config, this.#listener.name, key)
  }

  #bad(key: BrokerKey, reason: string) {
    return badListenerValue(this.#listener.name, key, undefined, reason)
  }
}

function pemIdentity(chain: string, key: string, passphrase: string | null): SecureContextOptions {
  const [privateKey] = pemBlocks(key, /(?:[A-Z]+ )*PRIVATE KEY/)
  const certificates = pemBlocks(chain, /CERTIFICATE/)
  // OpenSSL takes nothing for an identity, and then fails every handshake.
  if (privateKey === undefined || certificates.length === 0) throw new Error('no private key, or no certificate, in the PEM text')
  return { cert: certificates.join('\n'), key: privateKey, ...(passphrase === null ? {} : { passphrase }) }
}

function isPem(bytes: Buffer): boolean {
  return bytes.includes('-----BEGIN ')
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

function toPem(certificate: Buffer): string {
  return unfolded(`-----BEGIN CERTIFICATE-----${certificate.toString('base64')}-----END CERTIFICATE-----`, 'CERTIFICATE')
}

/** `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` is `ECDHE-RSA-AES128-GCM-SHA256` to OpenSSL; those of TLS 1.3 have one name. */
function opensslCipher(name: string): string {
  const match = /^TLS_(.+)_WITH_(.+)$/.exec(name)
  if (match === null) return name
  const cipher = match[2]!.replace(/^AES_(\d+)/, 'AES$1').replace(/^CHACHA20_POLY1305_SHA256$/, 'CHACHA20-POLY1305')
  return `${match[1]}-${cipher}`.replaceAll('_', '-').replace(/^RSA-/, '')
}
