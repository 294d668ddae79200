/** Client metrics subscriptions (the CLIENT_METRICS resources of KIP-714): which metrics are asked of which clients, and how often. */

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
  readonly match: ReadonlyMap<keyof ClientTraits, RegExp>
}

export const defaultIntervalMs = 300_000
export const allMetrics = '*'

/** From stored configs, which were checked when they were set. */
export function subscriptionOf(configs: ReadonlyMap<string, string>): Subscription {
  const match = new Map<keyof ClientTraits, RegExp>()
  for (const part of items(configs.get('match') ?? '')) {
    const [name = '', pattern = ''] = part.split('=').map(each => each.trim())
    match.set(name as keyof ClientTraits, new RegExp(`^(?:${pattern})$`))
  }
  return { metrics: items(configs.get('metrics') ?? ''), intervalMs: Number(configs.get('interval.ms') ?? defaultIntervalMs), match }
}

/** All patterns must match, each the whole text. They are the administrator's; what the client says of itself is short. */
export function isMeant(subscription: Subscription, client: ClientTraits): boolean {
  for (const [trait, pattern] of subscription.match) {
    // Nothing is known of the client's port, so no client has one that matches.
    const text: string | undefined = client[trait]
    if (text === undefined || !pattern.test(text)) return false
  }
  return true
}

function items(text: string): string[] {
  return text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
}
