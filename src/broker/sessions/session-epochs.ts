/** The epochs of fetch sessions (KIP-227) and share sessions (KIP-932): requests are numbered, so that none is lost or applied twice. */

/** The epoch of a request that opens a session. */
export const initialEpoch = 0
/** The epoch of a request without a session, or that ends one. */
export const finalEpoch = -1

export function nextEpoch(epoch: number): number {
  return epoch === 2 ** 31 - 1 ? 1 : epoch + 1
}
