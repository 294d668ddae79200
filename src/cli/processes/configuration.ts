/**
 * The configuration of each process, derived from the one configuration of all: consecutive node ids and ports, and a directory of its own.
 * Everything that can be wrong with them is found here, before any process starts.
 */
import { type BrokerConfig, dataDirectory, isEveryAddress, parseHttpAddress, processDirectory } from '../../broker.ts'
import { bracketed, UsageError } from '../output.ts'
import type { Values } from './messages.ts'

const highestPort = 65_535

/** Throws UsageError. */
export function configurations(config: BrokerConfig, count: number): Values[] {
  const problems = portProblems(config, count)
  if (problems.length > 0) throw new UsageError(problems.join('\nmillrace: '))
  const given = config.names().flatMap((name): Values => {
    const layer = config.layers(name).find(({ source }) => source === 'STATIC_BROKER_CONFIG')
    return layer === undefined ? [] : [[name, { text: layer.text, from: layer.from }]]
  })
  return Array.from({ length: count }, (_, index) => {
    const from = `process ${index + 1} of ${count}`
    const own = Object.entries({ ...ofEach(count), ...(index === 0 ? {} : ofFurther(config, index)) })
    return [...given, ...own.map(([name, text]) => [name, { text, from }] as const)]
  })
}

/** The supervisor serves the metrics of all. */
function ofEach(count: number): Record<string, string> {
  return { processes: String(count), 'http.listen': 'none' }
}

function ofFurther(config: BrokerConfig, index: number): Record<string, string> {
  const id = String(config.get('node.id') + index)
  const endpoint = (name: string, host: string, port: number) => `${name}://${bracketed(host)}:${port === 0 ? 0 : port + index}`
  const listeners = config.startListeners.map(({ name, host, port }) => endpoint(name, host, port))
  const advertised = advertisedNames(config).map(name => {
    const { host, port } = config.advertised(name)
    return endpoint(name, host, port)
  })
  return {
    'node.id': id,
    'broker.id': id,
    listeners: listeners.join(','),
    ...(advertised.length === 0 ? {} : { 'advertised.listeners': advertised.join(',') }),
    'log.dirs': processDirectory(dataDirectory(config), index),
  }
}

/** Those for which `advertised.listeners` has an address; the others are advertised with their own. */
function advertisedNames(config: BrokerConfig): string[] {
  const named = new Set(config.get('advertised.listeners')?.map(text => text.slice(0, text.indexOf('://')).toUpperCase()))
  return config.startListeners.map(({ name }) => name).filter(name => named.has(name))
}

/** The ports that one listener needs in all processes. */
interface Range {
  readonly what: string
  readonly host: string
  readonly first: number
  readonly last: number
}

function portProblems(config: BrokerConfig, count: number): string[] {
  const range = (what: string, host: string, first: number): Range => ({ what, host, first, last: first + count - 1 })
  const listeners = config.startListeners.map(({ name, host, port }) => range(`the listener ${name}`, host, port))
  const advertised = advertisedNames(config).map(name => {
    const { host, port } = config.advertised(name)
    return range(`the advertised listener ${name}`, host, port)
  })
  const http = parseHttpAddress(config.get('http.listen'))
  const opened = http === null ? listeners : [...listeners, { what: 'http.listen', host: http.host, first: http.port, last: http.port }]
  return [
    ...[...listeners, ...advertised].filter(({ last }) => last > highestPort).map(each => tooHigh(each, count)),
    ...overlaps(opened, count, (one, other) => one === other || isEveryAddress(one) || isEveryAddress(other)),
    ...overlaps(advertised, count, (one, other) => one === other),
  ]
}

function tooHigh({ what, first, last }: Range, count: number): string {
  return `processes=${count}: ${what} needs the ports ${first} to ${last}, but the highest port is ${highestPort}`
}

function overlaps(ranges: readonly Range[], count: number, sameHost: (one: string, other: string) => boolean): string[] {
  const fixed = ranges.filter(({ first }) => first !== 0)
  return fixed.flatMap((one, index) =>
    fixed
      .slice(index + 1)
      .filter(other => sameHost(one.host, other.host) && one.first <= other.last && other.first <= one.last)
      .map(other => `processes=${count}: ${portsOf(one)} and ${portsOf(other)} overlap; each process needs the next port of each listener`),
  )
}

function portsOf({ what, first, last }: Range): string {
  return first === last ? `${what} (port ${first})` : `${what} (ports ${first} to ${last})`
}
