/** Readers of option values that several commands share. Commander turns what they throw into a usage error. */
import { type Command, InvalidArgumentError, Option } from 'commander'

/** What every command has that talks to a broker. */
export interface ClientFlags {
  bootstrap: string
  json?: boolean
}

export const defaultBootstrap = '127.0.0.1:9092'

export function withClientOptions(command: Command): Command {
  return command
    .addOption(
      new Option('-b, --bootstrap <host:port>', 'a broker of the cluster, or several separated by commas')
        .env('MILLRACE_BOOTSTRAP')
        .default(defaultBootstrap),
    )
    .option('--json', 'print JSON')
}

export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return text => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(
        `A whole number ${most === Number.MAX_SAFE_INTEGER ? `from ${least} on` : `from ${least} to ${most}`}.`,
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
  if (at <= 0) throw new InvalidArgumentError('Write key=value.')
  return { ...before, [text.slice(0, at).trim()]: text.slice(at + 1) }
}
