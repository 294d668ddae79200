/** What only who has the key can read, and nobody can change unnoticed: AES-256-GCM. */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import type { System } from '../base.ts'

const ivBytes = 12
const tagBytes = 16

export function seal(key: Buffer, text: string, random: System['random']): Buffer {
  const iv = Buffer.alloc(ivBytes)
  random.fill(iv)
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([iv, cipher.getAuthTag(), sealed])
}

/** null: it was not sealed with this key. */
export function unseal(key: Buffer, bytes: Buffer): string | null {
  if (bytes.length < ivBytes + tagBytes) return null
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes })
  decipher.setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes))
  try {
    return Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]).toString('utf8')
  } catch {
    return null
  }
}
