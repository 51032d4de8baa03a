import { useState } from 'react';
import { addBudget, listBudgets, removeBudget } from '../../client/rest/index.js';
import type { BudgetOf, BudgetPeriod, BudgetView } from '../../protocol/budgets.js';
import { t } from '../strings/t.js';
import { useConsole } from '../views/use-console.js';
import { AddForm } from './add-form.js';
import { CardList } from './card-list.js';
import { dollars, tokens } from './format.js';
import { Loaded } from './loaded.js';
import { Moment } from './moment.js';
import { Refusal } from './refusal.js';
import { Select } from './select.js';
import { SureButton } from './sure-button.js';
import { useAction } from './use-action.js';
import { useLoad } from './use-load.js';

/** How much may be used, and how far that is. */
export function Budgets() {
  const budgets = useLoad(listBudgets);
  return (
    <section aria-labelledby="budgets">
      <h2 id="budgets">{t('budgets.title')}</h2>
      <Loaded of={budgets}>
        {({ budgets: listed }) => (
          <CardList items={listed} keyOf={(budget) => budget.budgetId} none={t('budgets.none')}>
            {(budget) => <Budget budget={budget} onRemoved={budgets.again} />}
          </CardList>
        )}
      </Loaded>
      <AddBudget onAdded={budgets.again} />
    </section>
  );
}

interface BudgetProps {
  budget: BudgetView;
  onRemoved: () => Promise<void>;
}

function Budget({ budget, onRemoved }: BudgetProps) {
  const { link } = useConsole();
  const action = useAction();
  const { budgetId, used, state, resetsAt, stop } = budget;
  const inUnit = budget.dollars === undefined ? tokens : dollars;
  const most = budget.dollars ?? budget.tokens ?? 0;
  const words = t('budgets.of', {
    most: inUnit(most),
    of: t(`budgets.of.${budget.of}`),
    period: t(`budgets.period.${budget.period}`),
  });
  const remove = async () => {
    await removeBudget(link.rest, { params: { id: budgetId } });
    await onRemoved();
  };
  return (
    <>
      <label>
        <strong>{words}</strong> <span className={`tag ${state}`}>{t(`budgets.state.${state}`)}</span>
        <meter min={0} max={most} high={most * budget.warnAt} value={Math.min(used, most)} />
      </label>
      <p className="quiet">
        {t('budgets.used', { used: inUnit(used) })} {stop && t('budgets.stops')}{' '}
        {resetsAt !== undefined && (
          <>
            {t('budgets.resets')} <Moment at={resetsAt} />
          </>
        )}
      </p>
      <Refusal reason={action.refusal} />
      <SureButton
        label={t('budgets.removeOf', { words })}
        question={t('budgets.removeSure')}
        isBusy={action.isBusy}
        onSure={() => void action.run(remove)}
      >
        {t('budgets.remove')}
      </SureButton>
    </>
  );
}

const OF: readonly BudgetOf[] = ['person', 'session'];
const PERIODS: readonly BudgetPeriod[] = ['day', 'week', 'always'];

function AddBudget({ onAdded }: { onAdded: () => Promise<void> }) {
  const { link } = useConsole();
  const [amount, setAmount] = useState('');
  const [of, setOf] = useState<BudgetOf>('person');
  const [period, setPeriod] = useState<BudgetPeriod>('day');
  const [stop, setStop] = useState(false);
  const add = async () => {
    await addBudget(link.rest, { body: { of, period, dollars: Number(amount), stop } });
    setAmount('');
    await onAdded();
  };
  return (
    <AddForm title={t('budgets.new')} submit={t('budgets.add')} onAdd={add}>
      <label>
        {t('budgets.dollars')}
        <input
          type="number"
          min="0.01"
          step="0.01"
          inputMode="decimal"
          value={amount}
          onChange={({ target }) => setAmount(target.value)}
          required
        />
      </label>
      <Select
        label={t('budgets.whose')}
        value={of}
        options={OF}
        onChoose={setOf}
        wordsOf={(one) => t(`budgets.of.${one}`)}
      />
      <Select
        label={t('budgets.period')}
        value={period}
        options={PERIODS}
        onChoose={setPeriod}
        wordsOf={(one) => t(`budgets.period.${one}`)}
      />
      <label className="choice">
        <input type="checkbox" checked={stop} onChange={({ target }) => setStop(target.checked)} />
        {t('budgets.stop')}
      </label>
    </AddForm>
  );
}
