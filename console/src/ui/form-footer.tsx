/** What stands below a form that fills a view: why it was refused, and its buttons. */
import type { ReactNode } from 'react'
import css from './form-footer.module.css'
import { Refused } from './states.tsx'

export function FormFooter({ error, children }: { error: Error | null; children: ReactNode }) {
  return (
    <footer className={css['footer']}>
      {error !== null && <Refused error={error} />}
      {children}
    </footer>
  )
}
