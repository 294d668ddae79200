/** `millrace token …`: delegation tokens. Commands refer to them by id; the secret is shown only once, when a token is created. */
import type { Client, DelegationToken } from '../client.ts'
import { connect } from './connect.ts'
import type { ClientFlags } from './options.ts'
import { CommandFailed, show, table, time } from './output.ts'

export interface CreateFlags extends ClientFlags {
  owner?: string
  renewer?: string[]
  maxLifetime?: number
}

export async function createToken(flags: CreateFlags): Promise<void> {
  await using client = await connect(flags)
  const { owner, renewer = [], maxLifetime } = flags
  const token = await client.createToken({
    renewers: renewer.map(principal),
    ...(owner === undefined ? {} : { owner: principal(owner) }),
    ...(maxLifetime === undefined ? {} : { maxLifetimeMs: maxLifetime }),
  })
  await show(flags.json, token, () => {
    const rows = [
      ['id (username)', token.tokenId],
      ['secret (password)', token.hmac],
      ['owner', token.owner],
      ['renewers', token.renewers.join(', ') || '-'],
      ['expires', time(token.expiresMs)],
      ['renewable until', time(token.maxMs)],
    ]
    return rows.map(([name, value]) => `${name!.padEnd(18)} ${value}\n`).join('')
  })
}

export interface PeriodFlags extends ClientFlags {
  period?: number
}

export async function renewToken(id: string, flags: PeriodFlags): Promise<void> {
  await using client = await connect(flags)
  const expiresMs = await client.renewToken((await find(client, id)).hmac, flags.period)
  await show(flags.json, { tokenId: id, expiresMs }, () => `${id} expires ${time(expiresMs)}\n`)
}

export async function expireToken(id: string, flags: PeriodFlags): Promise<void> {
  await using client = await connect(flags)
  const expiresMs = await client.expireToken((await find(client, id)).hmac, flags.period)
  await show(flags.json, { tokenId: id, expiresMs }, () => `${id} expires ${time(expiresMs)}\n`)
}

export async function listTokens(flags: ClientFlags & { owner?: string[] }): Promise<void> {
  await using client = await connect(flags)
  const tokens = (await client.tokens((flags.owner ?? []).map(principal))).map(({ hmac: _, ...token }) => token)
  await show(flags.json, tokens, () =>
    tokens.length === 0
      ? 'There are no tokens that you can see.\n'
      : table(
          ['ID', 'OWNER', 'REQUESTER', 'RENEWERS', 'EXPIRES', 'RENEWABLE UNTIL'],
          tokens.map(each => [
            each.tokenId,
            each.owner,
            each.requester,
            each.renewers.join(',') || null,
            time(each.expiresMs),
            time(each.maxMs),
          ]),
        ),
  )
}

async function find(client: Client, id: string): Promise<DelegationToken> {
  const found = (await client.tokens()).find(each => each.tokenId === id)
  if (found === undefined) throw new CommandFailed(`token not found, or not visible to you: ${id}`)
  return found
}

function principal(text: string): string {
  return text.includes(':') ? text : `User:${text}`
}
