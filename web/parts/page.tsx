import '../places.css';
import type { ReactNode } from 'react';
import { Link as Anchor } from 'wouter';
import { t } from '../strings/t.js';

export interface PageProps {
  title: string;
  children: ReactNode;
  /** The way back, where that is not the first view. */
  back?: { href: string; label: string };
}

/** A view beside the sessions: its title and the way back. */
export function Page({ title, children, back = { href: '/', label: t('session.back') } }: PageProps) {
  return (
    <main className="place">
      <header>
        <Anchor href={back.href} className="back" aria-label={back.label}>
          ‹
        </Anchor>
        <h1>{title}</h1>
      </header>
      {children}
    </main>
  );
}
