/**
 * The TLS settings of a listener, read from its key and trust stores: PEM (files or text) and PKCS12.
 *
 * Java's own JKS format is rejected with an error that shows the command to convert it. Kafka's default type is JKS, but Java also opens
 * PKCS12 files under that type, so the format is detected from the first bytes.
 */
import type { SecureContextOptions } from 'node:tls'
import type { FileSystem } from '../../base.ts'
import { certificatesOfStore, identityOfStore, pemCertificates, pemIdentity, refuseJks } from '../../formats.ts'
import { type BrokerConfig, type BrokerKey, badListenerValue, type Listener, listenerValue } from '../config.ts'

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

const protocols = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const
/** Older versions are insecure and never used, whatever is configured. */
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
      throw this.#bad('ssl.truststore.location', `ssl.client.auth=${clientAuth} requires a trust store`)
    }
    const context = { ...this.#identity(), ...(ca === null ? {} : { ca }), ...this.#versions() }
    const ciphers = this.#value('ssl.cipher.suites')
    if (ciphers.length > 0) Object.assign(context, { ciphers: ciphers.map(opensslCipher).join(':') })
    return { context, clientAuth, files: this.#files }
  }

  /** With SASL, client certificates are requested only if the listener's own key says so, as in Kafka. */
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
    if (chain !== null && key !== null) return this.#reading('ssl.keystore.key', () => pemIdentity(chain, key, keyPassword))
    const location = this.#value('ssl.keystore.location')
    if (location === null) {
      throw this.#bad(
        'ssl.keystore.location',
        'a TLS listener requires a key store, or ssl.keystore.certificate.chain and ssl.keystore.key',
      )
    }
    const store = this.#file('ssl.keystore.location', location)
    return this.#reading('ssl.keystore.location', () => identityOfStore(store, this.#value('ssl.keystore.password'), keyPassword))
  }

  #reading<T>(name: BrokerKey, read: () => T): T {
    try {
      return read()
    } catch (error) {
      throw this.#bad(name, (error as Error).message)
    }
  }

  /** null: no trust store is configured. */
  #trusted(): string[] | null {
    const text = this.#value('ssl.truststore.certificates')
    if (text !== null) {
      const certificates = pemCertificates(text)
      if (certificates.length === 0) throw this.#bad('ssl.truststore.certificates', 'it contains no certificate')
      return certificates
    }
    const location = this.#value('ssl.truststore.location')
    if (location === null) return null
    const store = this.#file('ssl.truststore.location', location)
    try {
      return certificatesOfStore(store, this.#value('ssl.truststore.password'))
    } catch (error) {
      throw this.#bad('ssl.truststore.location', `${location}: ${(error as Error).message}`)
    }
  }

  #versions(): SecureContextOptions {
    const names = this.#value('ssl.enabled.protocols')
    const indexes = names.map(name => protocols.indexOf(name as (typeof protocols)[number])).filter(index => index >= oldest)
    if (indexes.length === 0) throw this.#bad('ssl.enabled.protocols', `${names.join(',')} has neither TLSv1.2 nor TLSv1.3`)
    return { minVersion: protocols[Math.min(...indexes)]!, maxVersion: protocols[Math.max(...indexes)]! }
  }

  #file(key: BrokerKey, path: string): Buffer {
    const bytes = this.#disk.readFile(path)
    if (bytes === null) throw this.#bad(key, `file not found: ${path}`)
    this.#reading(key, () => refuseJks(bytes, path))
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

/** `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` is `ECDHE-RSA-AES128-GCM-SHA256` to OpenSSL; those of TLS 1.3 have one name. */
function opensslCipher(name: string): string {
  const match = /^TLS_(.+)_WITH_(.+)$/.exec(name)
  if (match === null) return name
  const cipher = match[2]!.replace(/^AES_(\d+)/, 'AES$1').replace(/^CHACHA20_POLY1305_SHA256$/, 'CHACHA20-POLY1305')
  return `${match[1]}-${cipher}`.replaceAll('_', '-').replace(/^RSA-/, '')
}
