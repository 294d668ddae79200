/** Shared by the four APIs about delegation tokens: who may use them, and principals as type and name. */
import { KafkaError } from '../../../protocol.ts'
import type { RequestContext } from '../../dispatch/handler.ts'

/** Not with a token, which must not make others, and not without having said who one is. */
export function requireIdentified({ connection: { session } }: RequestContext): void {
  if (!session.identified || session.viaToken) throw new KafkaError('DELEGATION_TOKEN_REQUEST_NOT_ALLOWED')
}

export interface TwoWords {
  principalType: string
  principalName: string
}

export function twoWords(principal: string): TwoWords {
  const colon = principal.indexOf(':')
  return { principalType: principal.slice(0, colon), principalName: principal.slice(colon + 1) }
}

export function oneWord({ principalType, principalName }: TwoWords): string {
  return `${principalType}:${principalName}`
}

/** The requester of a token, in responses since v3. */
export function requesterWords(requester: string, version: number) {
  const { principalType, principalName } = version < 3 ? { principalType: '', principalName: '' } : twoWords(requester)
  return { tokenRequesterPrincipalType: principalType, tokenRequesterPrincipalName: principalName }
}
