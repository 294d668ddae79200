/**
 * Client metrics subscriptions (the CLIENT_METRICS resources of KIP-714): which metrics are requested from which clients, and how often.
 *
 * Patterns come from the administrator, but the text from any client. So JavaScript's regular expressions, which backtrack, are not used: a
 * client id of dashes would stop the broker if a pattern contains several `.*-`.
 */
import { compileRegex } from '../../coordinator.ts'

export interface ClientTraits {
  readonly client_instance_id: string
  readonly client_id: string
  readonly client_software_name: string
  readonly client_software_version: string
  readonly client_source_address: string
}

export interface Subscription {
  readonly metrics: readonly string[]
  readonly intervalMs: number
  readonly match: ReadonlyMap<keyof ClientTraits, (text: string) => boolean>
}

export const defaultIntervalMs = 300_000
export const allMetrics = '*'

/** Steps of a pattern over one text, which is short; a few milliseconds. */
const mostSteps = 200_000

/** From stored configs, which were checked when they were set. */
export function subscriptionOf(configs: ReadonlyMap<string, string>): Subscription {
  const match = new Map<keyof ClientTraits, (text: string) => boolean>()
  for (const part of items(configs.get('match') ?? '')) {
    const [name = '', pattern = ''] = part.split('=').map(each => each.trim())
    match.set(name as keyof ClientTraits, matcherOf(pattern))
  }
  return { metrics: items(configs.get('metrics') ?? ''), intervalMs: Number(configs.get('interval.ms') ?? defaultIntervalMs), match }
}

/** All patterns must match, each the whole text. They come from the administrator; the client's descriptions are short. */
export function isMeant(subscription: Subscription, client: ClientTraits): boolean {
  for (const [trait, pattern] of subscription.match) {
    // Nothing is known of the client's port, so no client has one that matches.
    const text: string | undefined = client[trait]
    if (text === undefined || !pattern(text)) return false
  }
  return true
}

/** Matches whole texts. A pattern that is invalid (versions up to 0.1 accepted all of JavaScript's), or takes too long, matches nothing. */
function matcherOf(pattern: string): (text: string) => boolean {
  try {
    const regex = compileRegex(pattern)
    return text => matches(regex, text)
  } catch {
    return () => false
  }
}

function matches(regex: ReturnType<typeof compileRegex>, text: string): boolean {
  const steps = regex.select([text], mostSteps)
  try {
    for (;;) {
      const step = steps.next()
      if (step.done) return step.value.length > 0
    }
  } catch {
    return false
  }
}

function items(text: string): string[] {
  return text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
}
