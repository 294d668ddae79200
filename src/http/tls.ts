/** The key and certificates of HTTPS, from the files that the broker's listeners have too: PEM and PKCS12, read again when they change. */
import type { SecureContextOptions } from 'node:tls'
import { type System, type Timer, watchedContent } from '../base.ts'
import { identityOfStore, pemIdentity, refuseJks } from '../formats.ts'
import type { Logger } from '../logger.ts'

/** As the keys `ssl.keystore.*` say; plain data. */
export interface TlsFiles {
  readonly location: string | null
  readonly storePassword: string | null
  /** Instead of a file. */
  readonly chain: string | null
  readonly key: string | null
  readonly keyPassword: string | null
  /** `TLSv1.2`, `TLSv1.3`; older ones are never used. */
  readonly protocols: readonly string[]
  readonly checkMs: number
}

/** Throws Error. */
export function readTls(tls: TlsFiles, files: System['files']): SecureContextOptions {
  const { location, storePassword, chain, key, keyPassword, protocols } = tls
  const versions = (['TLSv1.2', 'TLSv1.3'] as const).filter(each => protocols.includes(each))
  if (versions.length === 0) throw new Error('ssl.enabled.protocols has neither TLSv1.2 nor TLSv1.3')
  const limits = { minVersion: versions[0]!, maxVersion: versions.at(-1)! }
  if (chain !== null && key !== null) return { ...pemIdentity(chain, key, keyPassword), ...limits }
  const store = location === null ? null : files.readFile(location)
  if (store === null) throw new Error(`file not found: ${location}`)
  refuseJks(store, location!)
  return { ...identityOfStore(store, storePassword, keyPassword), ...limits }
}

/** Calls `use` with what was read when the file has changed. While it is unusable, what was there before stays in use. Returns what ends it. */
export function watchTls(
  tls: TlsFiles,
  { files, timers }: Pick<System, 'files' | 'timers'>,
  logger: Logger,
  use: (context: SecureContextOptions) => void,
): () => void {
  const { location } = tls
  if (location === null || (tls.chain !== null && tls.key !== null)) return () => {}
  let last = watchedContent(files, location, Buffer.alloc(0))
  let timer: Timer
  const look = () => {
    timer = timers.after(tls.checkMs, look)
    const now = watchedContent(files, location, last)
    if (now.equals(last)) return
    last = now
    try {
      use(readTls(tls, files))
      logger.info({ file: location }, 'reloaded the key and certificates of the services')
    } catch (error) {
      logger.warn({ err: error, file: location }, 'the key store of the services is invalid; keeping the previous key and certificates')
    }
  }
  timer = timers.after(tls.checkMs, look)
  return () => timer.cancel()
}
