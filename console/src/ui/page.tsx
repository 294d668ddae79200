/** The frame of a view: its name, the facts about it, what can be done, and its parts. */
import { Link, type LinkProps } from '@tanstack/react-router'
import { type ReactNode, useEffect } from 'react'
import button from './button.module.css'
import css from './page.module.css'

interface PageProps {
  title: string
  /** In one line: `12 partitions`, `41 MB`. */
  facts?: readonly ReactNode[]
  actions?: ReactNode
  tabs?: readonly ({ title: string } & Pick<LinkProps, 'to' | 'params'>)[]
  children: ReactNode
}

export function Page({ title, facts = [], actions, tabs, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Millrace`
  }, [title])
  return (
    <div className={css['page']}>
      <header className={css['header']}>
        <h1 className={css['title']} title={title}>
          {title}
        </h1>
        <p className={css['facts']}>
          {facts.map((fact, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: facts keep their places
            <span key={at}>{fact}</span>
          ))}
        </p>
        {actions !== undefined && <div className={css['actions']}>{actions}</div>}
      </header>
      {tabs !== undefined && (
        <nav className={css['tabs']} aria-label="Parts">
          {tabs.map(({ title: name, ...to }) => (
            <Link
              key={name}
              {...(to as LinkProps)}
              className={css['tab']}
              activeProps={{ className: `${css['tab']} ${css['active']}`, 'aria-current': 'page' }}
            >
              {name}
            </Link>
          ))}
        </nav>
      )}
      {children}
    </div>
  )
}

/** A button that leads to another place. */
export function LinkButton({
  children,
  kind = 'main',
  ...to
}: { children: ReactNode; kind?: 'main' | 'plain' } & Pick<LinkProps, 'to' | 'params' | 'search'>) {
  return (
    <Link {...(to as LinkProps)} className={`${button['button']} ${button[kind]} ${button['link']}`}>
      {children}
    </Link>
  )
}

/** Filters and what else stands above a table. */
export function Bar({ children }: { children: ReactNode }) {
  return <div className={css['bar']}>{children}</div>
}

/** Tables, forms and what else is drawn whole: it scrolls below the bar. */
export function Content({ children }: { children: ReactNode }) {
  return <div className={css['content']}>{children}</div>
}
