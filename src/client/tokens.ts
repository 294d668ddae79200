/** Delegation tokens (KIP-48). */
import type { Int64 } from '../base.ts'
import { ClientError } from '../channel.ts'
import { apis } from '../protocol.ts'
import type { Administration, DelegationToken } from './administration.ts'
import { type Requests, refuse } from './requests.ts'

/** The broker's default. */
const unlimited = -1

export async function createToken(
  requests: Requests,
  { owner, renewers, maxLifetimeMs = unlimited }: Parameters<Administration['createToken']>[0],
): Promise<DelegationToken> {
  const principal = owner === undefined ? null : twoWords(owner)
  // Older brokers have no such fields; with a value in them the request fails, as it should.
  const forOthers = await requests.speaks(apis.createDelegationToken, 3)
  const response = await requests.ask(apis.createDelegationToken, {
    ...(principal !== null ? asOwner(principal) : forOthers ? { ownerPrincipalType: null, ownerPrincipalName: null } : {}),
    renewers: renewers.map(twoWords),
    maxLifetimeMs,
  })
  refuse(response.errorCode)
  return {
    tokenId: response.tokenId,
    owner: oneWord(response),
    requester: requesterOf(response),
    renewers: [...renewers],
    issuedMs: response.issueTimestampMs,
    expiresMs: response.expiryTimestampMs,
    maxMs: response.maxTimestampMs,
    hmac: response.hmac.toString('base64'),
  }
}

export async function renewToken(requests: Requests, hmac: string, periodMs = unlimited): Promise<Int64> {
  const response = await requests.ask(apis.renewDelegationToken, { hmac: Buffer.from(hmac, 'base64'), renewPeriodMs: periodMs })
  refuse(response.errorCode)
  return response.expiryTimestampMs
}

export async function expireToken(requests: Requests, hmac: string, periodMs = unlimited): Promise<Int64> {
  const response = await requests.ask(apis.expireDelegationToken, { hmac: Buffer.from(hmac, 'base64'), expiryTimePeriodMs: periodMs })
  refuse(response.errorCode)
  return response.expiryTimestampMs
}

export async function describeTokens(requests: Requests, owners: readonly string[]): Promise<DelegationToken[]> {
  const response = await requests.ask(apis.describeDelegationToken, { owners: owners.length === 0 ? null : owners.map(twoWords) })
  refuse(response.errorCode)
  return response.tokens
    .map(token => ({
      tokenId: token.tokenId,
      owner: oneWord(token),
      requester: requesterOf(token),
      renewers: token.renewers.map(oneWord),
      issuedMs: token.issueTimestamp,
      expiresMs: token.expiryTimestamp,
      maxMs: token.maxTimestamp,
      hmac: token.hmac.toString('base64'),
    }))
    .sort((a, b) => (a.tokenId < b.tokenId ? -1 : 1))
}

interface Principal {
  principalType: string
  principalName: string
}

function asOwner({ principalType, principalName }: Principal) {
  return { ownerPrincipalType: principalType, ownerPrincipalName: principalName }
}

function oneWord({ principalType, principalName }: Principal): string {
  return `${principalType}:${principalName}`
}

/** Old brokers do not name the requester, who is then the owner. */
function requesterOf(token: Principal & { tokenRequesterPrincipalType: string; tokenRequesterPrincipalName: string }): string {
  if (token.tokenRequesterPrincipalName === '') return oneWord(token)
  return `${token.tokenRequesterPrincipalType}:${token.tokenRequesterPrincipalName}`
}

function twoWords(principal: string): Principal {
  const at = principal.indexOf(':')
  if (at <= 0) throw new ClientError('INVALID', `"${principal}" is not a principal; it must be of the form User:name`)
  return { principalType: principal.slice(0, at), principalName: principal.slice(at + 1) }
}
