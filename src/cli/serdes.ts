/** Opens what the options of `serde-options.ts` say. */
import { realSystem } from '../base.ts'
import { openRegistryClient, openSerdes, type RegistryClient, type Serdes } from '../serde.ts'
import { CommandFailed, UsageError } from './output.ts'
import { askSecret } from './secret.ts'
import { defaultRegistry, type RegistryFlags } from './serde-options.ts'

export interface OpenSerdes extends Disposable {
  readonly serdes: Serdes
}

export async function openForFlags(flags: RegistryFlags): Promise<OpenSerdes> {
  const registry = await openRegistry(flags)
  return { serdes: openSerdes({ registry }), [Symbol.dispose]: () => registry.close() }
}

export async function openRegistry({ registry = defaultRegistry, ca }: RegistryFlags): Promise<RegistryClient> {
  const system = realSystem()
  const url = URL.parse(registry.split(',')[0]!)
  const user = decodeURIComponent(url?.username ?? '')
  const password = url === null || user === '' || url.password !== '' ? null : await passwordOf(user)
  const certificates = ca === undefined || ca === '' ? undefined : system.files.readFile(ca)
  if (certificates === null) throw new UsageError(`--ca: file not found: ${ca}`)
  return openRegistryClient({ url: registry, system, ca: certificates, credentials: password === null ? undefined : { user, password } })
}

async function passwordOf(user: string): Promise<string> {
  const password = process.env.MILLRACE_REGISTRY_PASSWORD ?? (await askSecret(`Password of the schema registry for ${user}: `))
  if (password === null) throw new CommandFailed(`no password of the schema registry for ${user}: set MILLRACE_REGISTRY_PASSWORD`)
  return password
}
