/** Options that several commands share, and parsers of their values. Commander turns errors of a parser into usage errors. */
import { type Command, InvalidArgumentError, Option } from 'commander'

/** Options of every command that connects to a cluster. */
export interface ClientFlags {
  bootstrap?: string
  clientConfig?: string
  tls?: boolean
  ca?: string
  username?: string
  mechanism?: string
  json?: boolean
}

export const connectionGroup = 'Connection:'
export const defaultBootstrap = '127.0.0.1:9092'

export function withClientOptions(command: Command): Command {
  const options = [
    new Option('-b, --bootstrap <host:port>', `brokers to connect to first (comma-separated; default: ${defaultBootstrap})`).env(
      'MILLRACE_BOOTSTRAP',
    ),
    new Option('--client-config <file>', "Kafka's client.properties: security.protocol, ssl.*, sasl.*, bootstrap.servers").env(
      'MILLRACE_CLIENT_CONFIG',
    ),
    new Option('--tls', "use TLS and verify the broker's certificate"),
    new Option('--ca <file>', 'trusted certificates (PEM or PKCS12); implies --tls').env('MILLRACE_CA'),
    new Option('--username <name>', 'user name for SASL; the password comes from MILLRACE_PASSWORD or a prompt').env('MILLRACE_USERNAME'),
    new Option('--mechanism <name>', 'SASL mechanism (default: SCRAM-SHA-512, or OAUTHBEARER if MILLRACE_TOKEN is set)')
      .choices(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'])
      .env('MILLRACE_MECHANISM'),
  ]
  for (const option of options) command.addOption(option.helpGroup(connectionGroup))
  return command.option('--json', 'print JSON')
}

export function configOption(): Option {
  return new Option('-c, --config <file>', "configuration file: YAML, or Kafka's server.properties").env('MILLRACE_CONFIG')
}

/** Options of `start`, and of commands about a broker that was started with them. */
export function withStartOptions(command: Command): Command {
  return command
    .addOption(configOption())
    .option('-s, --set <key=value>', 'set one configuration key; repeatable', keyValue)
    .option('-d, --data <dir>', 'data directory (log.dirs)')
    .option('-p, --port <port>', 'port of the listener', wholeNumber(0, 65_535))
    .option('--cluster <url>', 'PostgreSQL of a cluster: postgres://user@host:port/database (cluster); without it, the broker is alone')
    .option('--objects <url>', 'object store of the cluster: s3://bucket/prefix?endpoint=…&region=… (objects)')
    .option('--processes <count>', 'number of broker processes on this machine, or auto (processes)')
    .option('--http <address>', 'host:port for metrics and health checks, or none (http.listen)')
    .addOption(
      new Option('--log-level <level>', 'lowest level to log (default: info)')
        .choices(['debug', 'info', 'warn', 'error'])
        .env('MILLRACE_LOG_LEVEL'),
    )
}

export function isolationOption(): Option {
  return new Option('--isolation <level>', 'read_committed hides records of open and aborted transactions')
    .choices(['read_committed', 'read_uncommitted'])
    .default('read_uncommitted')
}

export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return text => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(
        `Must be a whole number ${most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`}.`,
      )
    }
    return value
  }
}

export const partitionNumber = wholeNumber(0, 2 ** 31 - 1)

export function partitionList(text: string, before: number[] = []): number[] {
  return [...before, ...text.split(',').map(part => partitionNumber(part.trim()))]
}

export function repeated(text: string, before: string[] = []): string[] {
  return [...before, text]
}

/** `--set key=value`, repeated. */
export function keyValue(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=')
  if (at <= 0) throw new InvalidArgumentError('Must be key=value.')
  return { ...before, [text.slice(0, at).trim()]: text.slice(at + 1) }
}

/** `--header name=value`, repeatable: a record can have several headers of the same name, and their order matters. */
export function header(text: string, before: [string, string][] = []): [string, string][] {
  const at = text.indexOf('=')
  if (at <= 0) throw new InvalidArgumentError('Must be name=value.')
  return [...before, [text.slice(0, at), text.slice(at + 1)]]
}

const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `15m` in milliseconds. */
export function duration(text: string): number {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text)
  if (match === null) throw new InvalidArgumentError('Must be a duration such as 500ms, 30s, 15m, 2h or 7d.')
  return Number(match[1]) * durationUnits[match[2]!]!
}

/** A comma-separated list; may be repeated. */
export function wordList(text: string, before: string[] = []): string[] {
  return [...before, ...text.split(',').map(part => part.trim())]
}
