/**
 * Secrets of connectors stay outside of their configurations: `${env:NAME}` and `${file:/path/to.properties:key}` are resolved where a connector runs, and
 * nowhere else.
 *
 * The worker's `config.providers` say which providers there are, as in Kafka. Without them there are `env`, `file` and `directory`; whoever may configure
 * connectors can then read what the worker can read, but for its own settings in the environment.
 */
import { InvalidConfig, type System } from '../base.ts'
import { valueResolver } from '../formats.ts'

const kafkas = 'org.apache.kafka.common.config.provider.'
const usual: Readonly<Record<string, string>> = {
  'config.providers': 'env,file,directory',
  'config.providers.env.class': `${kafkas}EnvVarConfigProvider`,
  'config.providers.env.param.allowlist.pattern': '(?!MILLRACE_).*',
  'config.providers.file.class': `${kafkas}FileConfigProvider`,
  'config.providers.directory.class': `${kafkas}DirectoryConfigProvider`,
}

/** Throws InvalidConfig, which names the key and the reference, never what it stands for. */
export async function resolveProviders(
  config: Readonly<Record<string, string>>,
  { files }: Pick<System, 'files'>,
  worker: Readonly<Record<string, string>> = {},
): Promise<Readonly<Record<string, string>>> {
  const providers = worker['config.providers'] === undefined ? usual : worker
  const given = new Map(Object.entries(providers).map(([key, text]) => [key, { text }]))
  const resolve = valueResolver(given, { files, environment: process.env })
  const resolved: Record<string, string> = {}
  for (const [key, text] of Object.entries(config)) {
    const found = resolve(text)
    if ('problem' in found) throw new InvalidConfig(key, null, found.problem, `Invalid value for configuration ${key}: ${found.problem}`)
    resolved[key] = found.text
  }
  return resolved
}
